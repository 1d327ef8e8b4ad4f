"""Processes of the real Python SDK, which log at a steady pace while something goes wrong."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from pipeline.local.process import ChildProcess
from tests.support.client_env import QUIET

_SENDER: Final = Path(__file__).with_name("sdk_sender.py")
_START_SECONDS_MAX: Final = 120.0
_FLUSH_SECONDS_MAX: Final = 300.0


class SdkSent(msgspec.Struct, frozen=True):
    """The traces that a process logged, and whether the SDK reported all of them as sent."""

    ids: list[str]
    is_flushed: bool


class SdkProcesses:
    """Some that log already."""

    def __init__(self, sent: list[asyncio.Future[SdkSent]], seconds: float) -> None:
        self._sent: Final = sent
        self._seconds: Final = seconds

    @property
    def is_any_done(self) -> bool:
        """Whether one of them has said what it sent."""
        return any(one.done() for one in self._sent)

    async def sent(self) -> list[SdkSent]:
        """Return what each of them says when the SDK has nothing left to send."""
        async with asyncio.timeout(self._seconds + _FLUSH_SECONDS_MAX):
            return await asyncio.gather(*self._sent)


@asynccontextmanager
async def logging_with_sdk(
    python: Path, url: str, *, processes: int, traces: int, seconds: float
) -> AsyncIterator[SdkProcesses]:
    """Run processes that log `traces` each within `seconds`; goes on when all of them have begun."""
    async with AsyncExitStack() as stack:
        waiting = [_logging(python, url, traces, seconds) for _ in range(processes)]
        started = await asyncio.gather(*(stack.enter_async_context(one) for one in waiting))
        yield SdkProcesses(list(started), seconds)


@asynccontextmanager
async def _logging(python: Path, url: str, traces: int, seconds: float) -> AsyncIterator[asyncio.Future[SdkSent]]:
    has_begun = asyncio.Event()
    sent: asyncio.Future[SdkSent] = asyncio.get_running_loop().create_future()

    def on_line(line: str) -> None:
        if line == "logging":
            has_begun.set()
        elif line.startswith("{"):
            sent.set_result(msgspec.json.decode(line, type=SdkSent))

    environment = {**os.environ, **QUIET, "OPIK_URL_OVERRIDE": f"{url}/api/"}
    argv = [str(python), str(_SENDER), str(traces), str(seconds)]
    async with await ChildProcess.start(argv, env=environment, on_line=on_line) as process:
        async with asyncio.timeout(_START_SECONDS_MAX):
            begun, ended = asyncio.create_task(has_begun.wait()), asyncio.create_task(process.wait())
            await asyncio.wait({begun, ended}, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        ended.cancel()
        assert has_begun.is_set(), process.tail
        yield sent
