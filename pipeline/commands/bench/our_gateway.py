"""The gateway as it runs in production, `threadline serve` with one or more processes, looked at from outside."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from pipeline.commands.bench.measure import children_of, cpu_seconds, peak_resident_bytes
from pipeline.commands.bench.our_stage import environment_of
from pipeline.errors import FatalError
from pipeline.local.console import is_ready
from pipeline.local.process import ChildProcess, free_ports_in_a_row
from pipeline.settings import KafkaSettings

_START_SECONDS_MAX: Final = 60.0


class RunningGateway(NamedTuple):
    """Where it listens, and its processes."""

    url: str
    pids: Sequence[int]

    def cpu_seconds(self) -> float:
        """Return the CPU time of all processes."""
        return sum(cpu_seconds(pid) for pid in self.pids)

    def peak_resident_bytes(self) -> int:
        """Return the highest memory that any of its processes has had."""
        return max(peak_resident_bytes(pid) for pid in self.pids)


@asynccontextmanager
async def running_gateway(
    kafka: KafkaSettings, *, processes: int = 1, more: Mapping[str, str] | None = None
) -> AsyncIterator[RunningGateway]:
    """Start a gateway without storage, with the settings `more`; raises FatalError where it does not start."""
    port, first_operation_port, *_ = free_ports_in_a_row(1 + processes)
    ready = asyncio.Event()
    said = 0

    def on_line(line: str) -> None:
        nonlocal said
        said += is_ready(line)
        if said == processes:
            ready.set()

    environment = {
        **environment_of(kafka),
        "THREADLINE_GATEWAY_HOST": "127.0.0.1",
        "THREADLINE_GATEWAY_PORT": str(port),
        "THREADLINE_GATEWAY_PROCESSES": str(processes),
        "THREADLINE_OPERATION_PORT": "0" if processes == 1 else str(first_operation_port),
        **(more or {}),
    }
    argv = [sys.executable, "-m", "pipeline", "serve"]
    async with await ChildProcess.start(argv, env=environment, on_line=on_line) as child:
        waiting, ended = asyncio.ensure_future(ready.wait()), asyncio.ensure_future(child.wait())
        await asyncio.wait({waiting, ended}, timeout=_START_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        ended.cancel()
        if not ready.is_set():
            raise FatalError(f"threadline serve does not start:\n{child.tail}")
        yield RunningGateway(f"http://127.0.0.1:{port}", children_of(child.pid) or [child.pid])
        await child.terminate(_START_SECONDS_MAX)
