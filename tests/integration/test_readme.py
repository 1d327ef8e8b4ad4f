"""Every command of the README runs as written."""

import asyncio
import json
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from pipeline.cli import threadline
from tests.support.clickhouse import migrated
from tests.support.client_env import locked_python, run_client
from tests.support.demo import assert_nothing_is_lost_by
from tests.support.running import RunningStack
from tests.support.stored import Log
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "tests" / "contract" / "clients"
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]
FOR_AN_INSTALLATION = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

# Run by the tests of this file, each in the way that its name says.
TRACED = {
    "make run",
    "pip install opik",
    *(
        command for command in COMMANDS if command.startswith("export ")
    ),  # alone they do nothing: clients' tests set them
}
RECURSIVE = {"make test"}
DEMO = ".venv/bin/threadline demo --conversations 60 --json"
RUN_SECONDS_MAX = 300


def run(command: str, *, folder: Path = ROOT, environment: Mapping[str, str] = MappingProxyType({})) -> str:
    result = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
        check=False,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - TRACED - RECURSIVE - {DEMO}))
def test_the_command_runs(command: str) -> None:
    assert run(command)


async def test_what_an_operator_is_shown_runs_beside_an_installation(tmp_path: Path) -> None:
    said = Log("default")
    said.trace("user-session-1", input="hello", output="hi")
    async with migrated(tmp_path / "storage") as (process, client):
        await said.store(client)
        environment = {
            "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
            "THREADLINE_CLICKHOUSE_PORT": str(process.settings.port),
        }
        for block in FOR_AN_INSTALLATION:
            await asyncio.to_thread(run, block, folder=tmp_path, environment=environment)

    (conversation,) = (tmp_path / "support.jsonl").read_text().splitlines()
    assert json.loads(conversation)["id"] == "user-session-1"


def test_the_demo_loses_nothing_and_finds_exactly_the_sessions_of_its_input() -> None:
    assert_nothing_is_lost_by(["bash", "-c", DEMO], folder=ROOT)


def test_the_commands_that_are_run_otherwise_are_still_there() -> None:
    assert set(COMMANDS) >= TRACED | RECURSIVE | {DEMO}


def test_continuous_integration_runs_exactly_the_test_command() -> None:
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]

    assert lines[-1] == "make test"


def test_the_commands_of_the_table_exist() -> None:
    listed = set(re.findall(r"^\| `threadline (\w+)`", README, re.MULTILINE))

    assert listed
    assert listed <= threadline.commands.keys()


def test_the_files_that_the_life_of_a_trace_names_exist() -> None:
    life = README.split("## The life of one trace")[1].split("## ")[0]
    named = set(re.findall(r"`([\w/]+\.py)`", life))
    below = {path.relative_to(ROOT).as_posix() for path in (ROOT / "pipeline").rglob("*.py")}

    assert named
    assert [name for name in named if not any(path in {f"pipeline/{name}", name} for path in below)] == []


def test_make_run_shows_conversations_and_takes_the_example_of_the_readme(tmp_path: Path) -> None:
    assert run("make --no-print-directory --dry-run run").splitlines()[-1] == ".venv/bin/threadline dev --sample"
    (example,) = PYTHON_BLOCKS
    script = tmp_path / "example.py"
    script.write_text(example)

    with RunningStack(tmp_path / "state", "--sample") as stack:
        sampled = wait_until(lambda: threads(stack, "Sample dialogues"), lambda found: len(found) >= 5)
        wait_until(lambda: [thread.get("feedback_scores") for thread in threads(stack, "Sample dialogues")], any)
        stay_active(stack)
        run_client(locked_python(CLIENTS / "requirements.txt"), script, base_url=stack.base_url)
        (mine,) = wait_until(lambda: threads(stack, "Default Project"), bool)

    assert all(thread["first_message"] for thread in sampled)
    assert (mine["id"], mine["status"]) == ("55d84", "active")


def stay_active(stack: RunningStack) -> None:
    """Give threads more than the seconds of the sample: however long it takes to look at one, it is still active."""
    request = urllib.request.Request(  # noqa: S310
        f"{stack.base_url}/api/v1/private/workspaces/configurations",
        json.dumps({"timeout_to_mark_thread_as_inactive": "PT1H"}).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        assert answer.status == 200


def threads(stack: RunningStack, project: str) -> list[dict[str, object]]:
    query = urllib.parse.urlencode({"project_name": project, "page": 1, "size": 10})
    try:
        with urllib.request.urlopen(f"{stack.base_url}/api/v1/private/traces/threads?{query}") as answer:  # noqa: S310
            return list(json.load(answer)["content"])
    except urllib.error.HTTPError as error:
        if error.code == 404:  # the project is not there yet
            return []
        raise
