"""How long the event loop keeps its tasks waiting: what holds it up holds up heartbeats, probes and answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from pipeline.adapters.telemetry.metrics import LOOP_DELAY_SECONDS

INTERVAL_SECONDS: Final = 0.1


@asynccontextmanager
async def watched_loop(stage: str) -> AsyncIterator[None]:
    """Watch the running event loop until the block is left."""
    watching = asyncio.create_task(_watch(stage))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait({watching})


async def _watch(stage: str) -> None:
    """Ask for the loop every so often, and note how late it comes; by its own clock, which does not jump."""
    loop, observed = asyncio.get_running_loop(), LOOP_DELAY_SECONDS.labels(stage)
    while True:
        due_at = loop.time() + INTERVAL_SECONDS
        await asyncio.sleep(INTERVAL_SECONDS)
        observed.observe(max(0.0, loop.time() - due_at))
