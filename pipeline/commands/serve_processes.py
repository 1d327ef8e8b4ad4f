"""`threadline serve` as several processes behind one port: the kernel deals connections out (SO_REUSEPORT).

Each process is a whole `serve` with an operator's port of its own, counted up from THREADLINE_OPERATION_PORT, so that
its metrics, its CPU and its health are seen as what they are. If one ends, all end, and a supervisor starts them anew.
"""

import asyncio
import os
import signal
import sys
from typing import Final

import uvloop

from pipeline.adapters.telemetry import logs
from pipeline.errors import InvalidSettings
from pipeline.local.process import ChildProcess
from pipeline.settings import Settings

_GRACE_SECONDS: Final = 10.0
"""What a process may take beyond the time of its drain."""

_log = logs.logger(__name__)


def run(settings: Settings) -> int:
    """Run until told to stop, or until one process ends; return the exit code.

    Raises InvalidSettings where no port is named: processes must know which one they share.
    """
    if settings.gateway.port == 0:
        raise InvalidSettings("THREADLINE_GATEWAY_PROCESSES needs a THREADLINE_GATEWAY_PORT that is not 0")
    logs.configure(settings.operation, stage="gateway")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings))


async def _run(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    children = [await _start(settings, number) for number in range(settings.gateway.processes)]
    ends = [asyncio.create_task(child.wait()) for child in children]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *ends], return_when=asyncio.FIRST_COMPLETED)
    ended = [child.pid for child, end in zip(children, ends, strict=True) if end.done()]
    if ended and not stop.is_set():
        _log.critical("stopped: a process has ended by itself", pids=ended)
    stopping.cancel()
    grace_seconds = settings.gateway.shutdown_seconds + _GRACE_SECONDS
    codes = await asyncio.gather(*(child.terminate(grace_seconds) for child in children))
    return 1 if ended and not stop.is_set() else max(map(abs, codes))


async def _start(settings: Settings, number: int) -> ChildProcess:
    operation_port = settings.operation.port + number if settings.operation.port else 0
    environment = {
        **os.environ,
        "THREADLINE_GATEWAY_PROCESSES": "1",
        "THREADLINE_GATEWAY_SHARE_PORT": "true",
        "THREADLINE_OPERATION_PORT": str(operation_port),
    }
    return await ChildProcess.start([sys.executable, "-m", "pipeline", "serve"], env=environment, on_line=_pass_on)


def _pass_on(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
