"""`threadline sink`: the sinks stage, which stores events in ClickHouse."""

import asyncio
from typing import Final

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.memory import collect_seldom
from pipeline.adapters.telemetry import logs
from pipeline.adapters.telemetry.health import Health
from pipeline.commands import stage_process
from pipeline.settings import Settings
from pipeline.sinks import loop

ALLOCATIONS_BETWEEN_LOOKS: Final = 50_000
"""A record is an object or two that are in no cycle and live until they are stored, tens of thousands at once.

With Python's own thresholds looking at them took 2.9 of 12.6 µs of CPU a record, with this one nothing that could be
told from noise.
"""

_log = logs.logger(__name__)


def run(settings: Settings) -> int:
    """Run until told to stop; return the exit code."""

    async def body(health: Health, stop: asyncio.Event) -> None:
        def ready() -> None:
            health.set_ready(ready=True)
            _log.info("ready")

        await loop.run(settings, SystemClock(), ready=ready, stop=stop, live_while=health.live_while)

    collect_seldom(ALLOCATIONS_BETWEEN_LOOKS)
    return stage_process.run("sinks", settings, body)
