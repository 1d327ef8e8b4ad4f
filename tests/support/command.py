"""Run a command of ours as a process, as an operator does."""

import asyncio
import json
import sys
import urllib.request
from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from click.testing import CliRunner, Result

from pipeline.cli import threadline
from pipeline.local.process import ChildProcess

READY_SECONDS_MAX = 120
GRACE_SECONDS = 60


async def run_command(environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """Run to the end and return exit code and last lines."""
    child = await ChildProcess.start([sys.executable, "-m", "pipeline", *arguments], env=environment)
    return await child.wait(), child.tail


async def migrate(environment: Mapping[str, str]) -> None:
    """Make topics and tables; what the command said comes with a failure."""
    code, said = await run_command(environment, "migrate")
    assert code == 0, said


async def run_here(environment: Mapping[str, str], *arguments: str) -> Result:
    """Run a command in a thread of this process, which starts in no time, and return what it printed and raised."""
    ours = {name: value for name, value in environment.items() if name.startswith("THREADLINE_")}
    return await asyncio.to_thread(CliRunner().invoke, threadline, arguments, env=ours)


class RunningStage:
    """A stage that was started and says that it is ready."""

    _started: Final = WeakKeyDictionary[asyncio.AbstractEventLoop, list[ChildProcess]]()

    def __init__(self, child: ChildProcess, operation_port: int) -> None:
        self.child = child
        self.operation_port = operation_port

    @classmethod
    async def start(cls, environment: Mapping[str, str], name: str) -> "RunningStage":
        """Start the stage and return once it takes work."""
        ready = asyncio.Event()
        ports: list[int] = []

        def on_line(line: str) -> None:
            record: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
            if "operation_port" in record:
                ports.append(record["operation_port"])
            if record.get("event") == "ready":
                ready.set()

        child = await ChildProcess.start([sys.executable, "-m", "pipeline", name], env=environment, on_line=on_line)
        cls._started.setdefault(asyncio.get_running_loop(), []).append(child)
        try:
            await asyncio.wait_for(ready.wait(), READY_SECONDS_MAX)
        except TimeoutError:
            await child.kill()
            raise AssertionError(f"{name} was not ready:\n{child.tail}") from None
        return cls(child, ports[0])

    @classmethod
    async def kill_all(cls) -> None:
        """Leave none running that a test which failed has not drained."""
        for child in cls._started.pop(asyncio.get_running_loop(), []):
            await child.kill()

    async def ask(self, path: str) -> tuple[int, str]:
        """GET a path of the operator's port."""
        return await asyncio.to_thread(_get, f"http://127.0.0.1:{self.operation_port}{path}")

    async def drain(self) -> int:
        """Ask it to stop and return its exit code."""
        return await self.child.terminate(GRACE_SECONDS)


def _get(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url) as answer:  # noqa: S310
        return answer.status, answer.read().decode()
