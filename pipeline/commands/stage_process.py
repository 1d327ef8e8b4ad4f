"""What every long-running command does around its stage: log, health, signals, an exit code that tells.

SIGTERM and SIGINT set `stop`; the stage drains and returns. A fault that the stage cannot live with is logged once and
ends the process with exit code 1, so that a supervisor starts it anew.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from importlib.metadata import version

import uvloop

from pipeline.adapters.telemetry import logs, metrics
from pipeline.adapters.telemetry.health import Health
from pipeline.adapters.telemetry.loop_delay import watched_loop
from pipeline.errors import InvalidSettings, ThreadlineError
from pipeline.settings import Settings

Body = Callable[[Health, asyncio.Event], Awaitable[None]]

_log = logs.logger(__name__)


def run(stage: str, settings: Settings, body: Body, *, use_uvloop: bool = True) -> int:
    """Run `body` until it returns or a signal asks it to stop, and return the exit code."""
    logs.configure(settings.operation, stage=stage)
    metrics.BUILD.labels(version("threadline"), stage).set(1)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if use_uvloop else None) as runner:
        return runner.run(_supervised(stage, settings, body))


async def _supervised(stage: str, settings: Settings, body: Body) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    health = Health(settings.operation)
    try:
        await _start(health, settings)
        async with watched_loop(stage):
            await body(health, stop)
    except ThreadlineError as error:
        _log.critical("stopped: cannot go on", reason=str(error), kind=type(error).__name__)
        return 1
    except Exception as error:  # noqa: BLE001 - nothing is above this but the exit code
        _log.critical("stopped: a fault of ours", kind=type(error).__name__, exc_info=True)
        return 1
    finally:
        health.set_ready(ready=False)
        await health.stop()
    _log.info("stopped")
    return 0


async def _start(health: Health, settings: Settings) -> None:
    try:
        await health.start()
    except OSError as error:
        raise InvalidSettings(f"THREADLINE_OPERATION_PORT {settings.operation.port}: {error.strerror}") from error
    _log.info("starting", operation_port=health.port)
