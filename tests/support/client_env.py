"""Environments of their own for real clients, so that they never constrain our dependencies."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

CLIENTS = Path(__file__).parents[2] / ".cache" / "clients"
INSTALL_SECONDS_MAX = 600
QUIET = {
    "OPIK_SENTRY_ENABLE": "false",
    "OPIK_ANALYTICS_ENABLE": "false",
    "OPIK_WORKSPACE": "default",
    "OPIK_CONSOLE_LOGGING_LEVEL": "WARNING",
}


def client_python(*requirements: str) -> Path:
    """Return the interpreter of a virtual environment with exactly these requirements, made on first use."""
    name = hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:12]
    folder = CLIENTS / f"{requirements[0].split('=')[0]}-{name}"
    python = folder / "bin" / "python"
    if (folder / ".ready").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _run([sys.executable, "-m", "venv", str(folder)])
    _run([str(python), "-m", "pip", "install", "--quiet", *requirements])
    (folder / ".ready").touch()
    return python


def run_client(python: Path, script: Path, *arguments: str, base_url: str, seconds_max: float = 120) -> str:
    """Run a script of a real client against the stack at `base_url` and return what it printed."""
    result = subprocess.run(
        [str(python), str(script), *arguments],
        env={**os.environ, **QUIET, "OPIK_URL_OVERRIDE": f"{base_url}/api/"},
        capture_output=True,
        text=True,
        timeout=seconds_max,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


def _run(argv: list[str]) -> None:
    subprocess.run(argv, check=True, timeout=INSTALL_SECONDS_MAX, capture_output=True)
