"""`threadline worker`: the stream stage, which keeps the lives of threads."""

import asyncio
from typing import Final

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.telemetry import logs
from pipeline.adapters.telemetry.health import Health
from pipeline.commands import stage_process
from pipeline.settings import Settings
from pipeline.stream import worker

GC_THRESHOLDS: Final = (10_000, 20, 100)
"""See `stage_process.collect_seldom`.

With Python's own (700, 10, 10) a burst of outputs, 16 thousand closes a second, has the collector look at everything
again and again: the event loop stood still for 139 ms, and 58 ms once what is there at the start is left out;
with these it was 38 ms, and 20 % less CPU an event. States are bytes, which are not looked at.
"""

_log = logs.logger(__name__)


def run(settings: Settings) -> int:
    """Run until told to stop; return the exit code."""

    async def body(health: Health, stop: asyncio.Event) -> None:
        def ready() -> None:
            health.set_ready(ready=True)
            _log.info("ready")

        await worker.run(settings, SystemClock(), ready=ready, stop=stop)

    stage_process.collect_seldom(GC_THRESHOLDS)
    # Faust and its event loop services are tested on asyncio's own loop.
    return stage_process.run("stream", settings, body, use_uvloop=False)
