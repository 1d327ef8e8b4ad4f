"""Other session windows over the same topic, each in an environment of its own: they are no dependencies of ours."""

import sys
from pathlib import Path
from typing import Final

from pipeline.commands.bench.contender import run_process
from pipeline.commands.bench.measure import Throughput
from pipeline.errors import FatalError
from pipeline.local.process import ChildProcess
from pipeline.topics import TRACES

ENVIRONMENT: Final = Path(".cache/bench-peers")

_REQUIREMENTS: Final = ("bytewax==0.21.1", "confluent-kafka==2.16.1", "orjson>=3.13")
_BYTEWAX: Final = Path(__file__).with_name("peer_bytewax.py")


async def run_bytewax(bootstrap: str, events: int, *, folder: Path = ENVIRONMENT, seconds_max: float) -> Throughput:
    """Let Bytewax's SessionWindower read the first `events` records of the log; raises FatalError where it fails."""
    python = await ensure_environment(folder)
    argv = [str(python), str(_BYTEWAX), bootstrap, TRACES.name, str(events)]
    return await run_process(argv, Throughput, seconds_max=seconds_max)


async def ensure_environment(folder: Path) -> Path:
    """Make the environment where there is none, and return its interpreter; raises FatalError where pip fails."""
    python = _interpreter(folder)
    if not _complete(folder).exists():
        await _succeed([sys.executable, "-m", "venv", "--clear", str(folder)])
        await _succeed([str(python), "-m", "pip", "install", "--quiet", *_REQUIREMENTS])
        _complete(folder).touch()
    return python


def _interpreter(folder: Path) -> Path:
    return folder.absolute() / "bin" / "python"


def _complete(folder: Path) -> Path:
    """Return the mark of an environment in which everything is installed."""
    return folder / "complete"


async def _succeed(argv: list[str]) -> None:
    async with await ChildProcess.start(argv) as child:
        if await child.wait() != 0:
            raise FatalError(f"{' '.join(argv)} failed:\n{child.tail}")
