"""`threadline worker`: the stream stage, which keeps the lives of threads."""

import asyncio
import sys
from typing import Final

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.memory import collect_seldom, give_back_large_blocks
from pipeline.adapters.telemetry import logs
from pipeline.adapters.telemetry.health import Health
from pipeline.commands import stage_process
from pipeline.settings import Settings
from pipeline.stream import worker

_SWITCH_SECONDS: Final = 0.001
"""So long one thread keeps the interpreter while another wants it. The thread of the Kafka client wants it after each
piece of an answer that it has received. Seven quiet runs each, thousand events a second: 80 to 97 with Python's own 5
ms, mean 87; 78 to 103 with this, mean 94. The ranges overlap, so the gain is likely and not proven."""

_ALLOCATIONS_BETWEEN_LOOKS: Final = 200_000
"""More than all objects of the records in hand: what comes and goes with them is never looked at. With a twentieth of
that a tenth of the worker's CPU went into looking."""

_log = logs.logger(__name__)


def run(settings: Settings) -> int:
    """Run until told to stop; return the exit code."""

    async def body(health: Health, stop: asyncio.Event) -> None:
        def ready() -> None:
            health.set_ready(ready=True)
            _log.info("ready")

        await worker.run(settings, SystemClock(), ready=ready, stop=stop)

    give_back_large_blocks()
    collect_seldom(_ALLOCATIONS_BETWEEN_LOOKS)
    sys.setswitchinterval(_SWITCH_SECONDS)
    # Faust and its event loop services are tested on asyncio's own loop.
    return stage_process.run("stream", settings, body, use_uvloop=False)
