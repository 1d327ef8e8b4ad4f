"""Start a contender as a process of its own and wait for its one line of JSON."""

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from pipeline.commands.bench.measure import Throughput
from pipeline.errors import FatalError
from pipeline.local.process import ChildProcess

Said = TypeVar("Said")


async def run_contender(module: str, *arguments: str, seconds_max: float) -> Throughput:
    """Return what `python -m module` says; as `run_process`."""
    return await run_process([sys.executable, "-m", module, *arguments], Throughput, seconds_max=seconds_max)


async def run_process(argv: Sequence[str], says: type[Said], *, seconds_max: float) -> Said:
    """Return what a process says, one line of JSON; it is killed once it has said it.

    Raises FatalError, with its last lines, where it ends or takes longer than `seconds_max` without a word.
    """
    said: asyncio.Future[Said] = asyncio.get_running_loop().create_future()

    def on_line(line: str) -> None:
        if line.startswith("{") and not said.done():
            said.set_result(msgspec.json.decode(line, type=says))

    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    async with await ChildProcess.start(argv, env=environment, on_line=on_line) as child:
        ended = asyncio.ensure_future(child.wait())
        waited_for: tuple[asyncio.Future[Any], ...] = (said, ended)
        await asyncio.wait(waited_for, timeout=seconds_max, return_when=asyncio.FIRST_COMPLETED)
        if said.done():
            return said.result()
        how = f"ended with {ended.result()}" if ended.done() else f"said nothing for {seconds_max:g} s"
        raise FatalError(f"{' '.join(argv)} {how}:\n{child.tail}")
