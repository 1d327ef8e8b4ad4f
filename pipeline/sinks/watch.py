"""What the sink does on a timer, whether or not anything is stored: it tells its lag and the balance, and cleans up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.consumer import EventConsumer, LogPartition
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import ThreadlineError
from pipeline.settings import Settings
from pipeline.sinks.reconciliation import balance_all
from pipeline.sinks.upkeep import keep_up
from pipeline.topics import TRACES

_LOG: Final = logger(__name__)
_WHO_COUNTS: Final = LogPartition(TRACES.name, 0)
"""Whoever owns this partition counts, and cleans up, for all: one sink, and always one."""


@asynccontextmanager
async def watching(
    settings: Settings, clock: Clock, consumer: EventConsumer, client: ClickHouse
) -> AsyncIterator[None]:
    """Watch until the block is left."""

    async def say_lag() -> None:
        for place, lag in (await consumer.lags()).items():
            metrics.SINKS_LAG_RECORDS.labels(place.topic, place.partition).set(lag)

    async def say_balance() -> None:
        if _WHO_COUNTS not in consumer.assigned:
            metrics.SINKS_BALANCE_RECORDS.clear()
            return
        for balance in await balance_all(settings.kafka, client):
            for term, records in balance.terms().items():
                metrics.SINKS_BALANCE_RECORDS.labels(balance.topic, term.replace("_", "-")).set(records)
            if balance.gap:
                _LOG.error("records are unaccounted for", topic=balance.topic, **balance.terms())
        metrics.SINKS_BALANCED_AT.set(clock.now_us() / 1e6)

    sinks = settings.sinks
    tasks = [
        asyncio.create_task(_repeat("lag", say_lag, sinks.lag_interval_seconds)),
        asyncio.create_task(_repeat("balance", say_balance, sinks.reconcile_interval_seconds)),
        asyncio.create_task(
            _repeat("upkeep", partial(_clean_up, settings, clock, consumer), sinks.upkeep_interval_seconds)
        ),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _clean_up(settings: Settings, clock: Clock, consumer: EventConsumer) -> None:
    if _WHO_COUNTS in consumer.assigned:
        await keep_up(settings, clock)


async def _repeat(name: str, say: Callable[[], Awaitable[None]], interval_seconds: float) -> None:
    while True:
        await asyncio.sleep(interval_seconds)
        try:
            await say()
        except ThreadlineError as error:
            _LOG.warning("not done now", what=name, reason=str(error))
        except Exception:
            _LOG.critical("a fault of ours: it is not done any more", what=name, exc_info=True)
            raise
