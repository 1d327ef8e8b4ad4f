"""`threadline evaluate`: the evaluators stage, which scores closed threads."""

import asyncio

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.telemetry import logs
from pipeline.adapters.telemetry.health import Health
from pipeline.commands import stage_process
from pipeline.evaluators import stage
from pipeline.settings import Settings

_log = logs.logger(__name__)


def run(settings: Settings) -> int:
    """Run until told to stop; return the exit code."""

    async def body(health: Health, stop: asyncio.Event) -> None:
        def ready() -> None:
            health.set_ready(ready=True)
            _log.info("ready")

        await stage.run(settings, SystemClock(), ready=ready, stop=stop, live_while=health.live_while)

    return stage_process.run("evaluators", settings, body)
