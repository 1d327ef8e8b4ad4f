"""Environments of their own for real clients, so that they never constrain our dependencies."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
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

    def install(folder: Path) -> None:
        _run([*_installer(folder), *requirements])

    return _made(requirements[0].split("=")[0], "\n".join(requirements), install) / "bin" / "python"


def locked_python(lock: Path) -> Path:
    """Return the interpreter of a virtual environment with exactly what a file of pinned requirements lists."""

    def install(folder: Path) -> None:
        _run([*_installer(folder), "--no-deps", "-r", str(lock)])

    return _made("python", lock.read_text(), install) / "bin" / "python"


def locked_npm(package: Path) -> Path:
    """Return a folder in which the packages of this folder's `package-lock.json` are installed."""

    def install(folder: Path) -> None:
        folder.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(package / name, folder)
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)])

    return _made("npm", (package / "package-lock.json").read_text(), install)


def run_client(
    program: Path,
    script: Path,
    *arguments: str,
    base_url: str,
    environment: Mapping[str, str] | None = None,
    seconds_max: float = 600,
) -> str:
    """Run a script of a real client against the stack at `base_url` and return what it printed."""
    result = subprocess.run(
        [str(program), str(script), *arguments],
        env={**os.environ, **QUIET, "OPIK_URL_OVERRIDE": f"{base_url}/api/", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=seconds_max,
        check=False,
    )
    assert result.returncode == 0, f"{script.name}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def _made(name: str, contents: str, install: Callable[[Path], None]) -> Path:
    folder = CLIENTS / f"{name}-{hashlib.sha256(contents.encode()).hexdigest()[:12]}"
    CLIENTS.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests of several processes want it at once
        if not (folder / ".ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            install(folder)
            (folder / ".ready").touch()
    return folder


def _installer(folder: Path) -> list[str]:
    """Make an empty environment and return the command that installs into it: uv where there is one, it is faster."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    _run([sys.executable, "-m", "venv", *(["--without-pip"] if uv else []), str(folder)])
    python = str(folder / "bin" / "python")
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", python]
    return [python, "-m", "pip", "install", "--quiet", "--no-cache-dir"]


def _run(argv: list[str]) -> None:
    result = subprocess.run(argv, timeout=INSTALL_SECONDS_MAX, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{argv}\n{result.stdout}\n{result.stderr}"
