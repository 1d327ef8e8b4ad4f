import asyncio
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from pipeline.adapters.telemetry.health import Health
from pipeline.settings import OperationSettings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.hadolint
def test_hadolint_finds_nothing() -> None:
    assert HADOLINT is not None
    found = subprocess.run([HADOLINT, ROOT / "deploy" / "Dockerfile"], capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout + found.stderr


def health(port: int) -> int:
    """Run what the image's HEALTHCHECK runs."""
    command = re.search(r"^ +CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    assert command is not None
    _, *arguments = json.loads(command[1])
    environment = {**os.environ, "THREADLINE_OPERATION_PORT": str(port)}
    ran = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=False, timeout=120)
    return ran.returncode


async def test_its_health_check_follows_the_process() -> None:
    faults: list[str] = []
    process = Health(OperationSettings(port=0))
    process.live_while("loop", lambda: faults[0] if faults else None)
    await process.start()
    try:
        alive = await asyncio.to_thread(health, process.port)
        faults.append("it has not moved")
        stuck = await asyncio.to_thread(health, process.port)
    finally:
        await process.stop()
    gone = await asyncio.to_thread(health, process.port)

    assert (alive, stuck, gone) == (0, 1, 1)


def copied() -> list[str]:
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = [pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")]

    assert "*" in patterns
    assert sorted(copied()) == sorted(let_in)
    assert all((ROOT / source).exists() for source in copied())


def test_compiled_files_and_secrets_stay_out() -> None:
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("**/")]

    for path in ("pipeline/__pycache__", "pipeline/cli.pyc"):
        assert any(fnmatch.fnmatch(path, pattern.replace("**/", "*")) for pattern in patterns)


def test_its_python_is_one_that_the_package_takes() -> None:
    wanted = re.search(r'requires-python = "(.+)"', (ROOT / "pyproject.toml").read_text())
    image = re.search(r"^ARG PYTHON=python:([\d.]+)-slim-bookworm$", DOCKERFILE, re.MULTILINE)
    assert wanted is not None
    assert image is not None

    assert image[1] in SpecifierSet(wanted[1])


def test_it_runs_as_somebody_and_as_whom_the_chart_says() -> None:
    user = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert user is not None

    pod = (ROOT / "helm" / "templates" / "_pod.tpl").read_text()
    assert f"runAsUser: {user[1]}" in pod
    assert f"runAsGroup: {user[2]}" in pod


def test_it_installs_what_is_locked_and_no_extras() -> None:
    syncs = re.findall(r"uv sync (.+)$", DOCKERFILE, re.MULTILINE)

    assert syncs
    assert all({"--frozen", "--no-dev"} <= set(sync.split()) and "extra" not in sync for sync in syncs)
