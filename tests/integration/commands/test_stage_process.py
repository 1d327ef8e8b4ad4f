"""A stage as the process that a supervisor sees: its log, its port, its exit code."""

import asyncio
import json
import signal
import socket
import sys
from pathlib import Path

import pytest

from pipeline.local.process import ChildProcess
from tests.support.raw_http import get

ROOT = Path(__file__).parents[3]
SECONDS_MAX = 120.0


class Stage:
    """A process that runs `body` of tests/support/stage.py, and the lines of its log."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[dict[str, object]] = asyncio.Queue()

    async def start(self, body: str, *, port: int = 0, loop: str = "uvloop") -> ChildProcess:
        return await ChildProcess.start(
            [sys.executable, "-m", "tests.support.stage", body, loop],
            cwd=ROOT,
            env={"THREADLINE_OPERATION_PORT": str(port)},
            on_line=lambda line: self.lines.put_nowait(json.loads(line)),
        )

    async def line(self, event: str) -> dict[str, object]:
        """Return the next line that says `event`."""
        async with asyncio.timeout(SECONDS_MAX):
            while (line := await self.lines.get())["event"] != event:
                continue
        return line

    async def port(self) -> int:
        return int(str((await self.line("starting"))["operation_port"]))


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_a_signal_lets_the_stage_finish_and_ends_with_nothing_wrong(signum: signal.Signals, loop: str) -> None:
    stage = Stage()
    async with await stage.start("until_stopped", loop=loop) as process:
        await stage.line("ready")
        process.send_signal(signum)
        await stage.line("drained")
        await stage.line("stopped")

        assert await process.wait() == 0


async def test_the_operators_port_answers_while_the_stage_runs() -> None:
    stage = Stage()
    async with await stage.start("until_stopped") as process:
        port = await stage.port()
        await stage.line("ready")
        statuses = [(await get(port, path)).status for path in ("/healthz", "/readyz")]
        build = (await get(port, "/metrics")).body
        process.send_signal(signal.SIGTERM)

        assert await process.wait() == 0
    assert statuses == [200, 200]
    assert b'threadline_build{stage="test",version=' in build
    with pytest.raises(ConnectionRefusedError):
        await get(port, "/healthz")


async def test_a_stage_that_drains_is_alive() -> None:
    stage = Stage()
    async with await stage.start("drains_until_asked") as process:
        port = await stage.port()
        await stage.line("ready")
        process.send_signal(signal.SIGTERM)
        await stage.line("draining")
        assert (await get(port, "/healthz")).status == 200
        process.send_signal(signal.SIGUSR1)

        assert await process.wait() == 0


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        ("fatal", "Stalled", "no progress for 61 s"),
        ("transient", "BrokerUnavailable", "no Kafka"),
    ],
)
async def test_an_error_that_the_stage_cannot_live_with_is_named_in_the_log(body: str, kind: str, reason: str) -> None:
    stage = Stage()
    async with await stage.start(body) as process:
        assert await process.wait() == 1
    line = await stage.line("stopped: cannot go on")

    assert (line["level"], line["kind"], line["reason"], line["stage"]) == ("critical", kind, reason, "test")


async def test_a_fault_of_ours_is_one_line_with_its_traceback() -> None:
    stage = Stage()
    async with await stage.start("fault") as process:
        assert await process.wait() == 1
    line = await stage.line("stopped: a fault of ours")

    assert line["kind"] == "KeyError"
    assert "Traceback" in str(line["exception"])
    assert stage.lines.empty()


async def test_a_stage_that_returns_by_itself_has_nothing_wrong() -> None:
    stage = Stage()
    async with await stage.start("returns") as process:
        assert await process.wait() == 0


async def test_an_operators_port_in_use_is_named_by_its_variable() -> None:
    stage = Stage()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with await stage.start("until_stopped", port=port) as process:
            assert await process.wait() == 1
    line = await stage.line("stopped: cannot go on")

    assert str(line["reason"]).startswith(f"THREADLINE_OPERATION_PORT {port}: ")
