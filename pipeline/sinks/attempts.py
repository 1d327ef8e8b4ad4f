"""Try again and again while storage or broker are away."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from pipeline.adapters.retry import Backoff
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import BrokerUnavailable, StorageUnavailable

_LOG: Final = logger(__name__)


async def until_done(attempt: Callable[[], Awaitable[None]], table: str, *, pause_seconds_max: float) -> None:
    """Return when an attempt fails neither for storage nor for the broker; other errors come out.

    `table` is what the attempts are for, as metrics and log say it.
    """
    backoff = Backoff(seconds_max=pause_seconds_max)
    while True:
        try:
            return await attempt()
        except (StorageUnavailable, BrokerUnavailable) as error:
            code = error.code if isinstance(error, StorageUnavailable) else "broker"
            metrics.SINKS_STORAGE_ERRORS.labels(str(code), "retry").inc()
            metrics.SINKS_FLUSHES.labels(table, "retried").inc()
            pause_seconds = backoff.pause()
            _LOG.warning("waiting", table=table, reason=str(error), pause_seconds=round(pause_seconds, 2))
        await asyncio.sleep(pause_seconds)
