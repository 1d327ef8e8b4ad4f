"""What one sink does for all on a timer, whether or not anything is stored meanwhile: it says, and cleans up.

It tells the lag of every consumer group, the balance, and how many parts the tables have. One process that looks at all
groups sees also a group whose members are gone.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clickhouse.cluster import of_every_node
from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.admin import read_retentions
from pipeline.adapters.kafka.consumer import EventConsumer, LogPartition
from pipeline.adapters.kafka.lag import GroupLag, headrooms
from pipeline.adapters.kafka.reader import append_times
from pipeline.adapters.kafka.watermarks import Watermarks
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import ThreadlineError
from pipeline.settings import Settings
from pipeline.sinks.reconciliation import balance_all
from pipeline.sinks.upkeep import keep_up
from pipeline.topics import GROUPS, STORED, TRACES

_LOG: Final = logger(__name__)
_WHO_COUNTS: Final = LogPartition(TRACES.name, 0)
"""Whoever owns this partition counts, and cleans up, for all: one sink, and always one."""
_SAID: Final = (
    metrics.KAFKA_LAG_RECORDS,
    metrics.KAFKA_LAG_SECONDS,
    metrics.KAFKA_HEADROOM_SECONDS,
    metrics.SINKS_BALANCE_RECORDS,
    metrics.SINKS_TABLE_PARTS,
)

# Inserts are slowed down by the parts of one partition of a table (parts_to_delay_insert).
_PARTS: Final = """
SELECT table, max(parts) AS parts FROM (
    SELECT table, count() AS parts FROM {of_every_node}
    WHERE active AND database = currentDatabase() GROUP BY hostName(), table, partition_id
) GROUP BY table"""


@asynccontextmanager
async def watching(
    settings: Settings, clock: Clock, consumer: EventConsumer, client: ClickHouse
) -> AsyncIterator[None]:
    """Watch until the block is left."""
    sinks = settings.sinks
    async with AsyncExitStack() as stack:
        lags = {
            group: GroupLag(
                clock,
                await stack.enter_async_context(Watermarks(settings.kafka, topics, group)),
                partial(append_times, settings.kafka),
            )
            for group, topics in GROUPS.items()
        }
        turns = (
            ("lag", partial(_say_lags, settings, clock, lags), sinks.lag_interval_seconds),
            ("balance", partial(_say_balance, settings, clock, client), sinks.reconcile_interval_seconds),
            ("parts", partial(_say_parts, client, settings.clickhouse.cluster), sinks.reconcile_interval_seconds),
            ("upkeep", partial(keep_up, settings, clock), sinks.upkeep_interval_seconds),
        )
        tasks = [
            asyncio.create_task(_repeat(name, partial(_if_chosen, consumer, what), seconds))
            for name, what, seconds in turns
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def _if_chosen(consumer: EventConsumer, what: Callable[[], Awaitable[None]]) -> None:
    if _WHO_COUNTS in consumer.assigned:
        await what()
        return
    for metric in _SAID:  # another sink says it
        metric.clear()


async def _say_balance(settings: Settings, clock: Clock, client: ClickHouse) -> None:
    for balance in await balance_all(settings.kafka, client):
        for term, records in balance.terms().items():
            metrics.SINKS_BALANCE_RECORDS.labels(balance.topic, term.replace("_", "-")).set(records)
        if balance.gap:
            _LOG.error("records are unaccounted for", topic=balance.topic, **balance.terms())
    metrics.SINKS_BALANCED_AT.set(clock.now_us() / 1e6)


async def _say_parts(client: ClickHouse, cluster: str) -> None:
    for row in await client.rows(_PARTS.format(of_every_node=of_every_node("system.parts", cluster))):
        metrics.SINKS_TABLE_PARTS.labels(row["table"]).set(row["parts"])


async def _say_lags(settings: Settings, clock: Clock, groups: Mapping[str, GroupLag]) -> None:
    retentions = await read_retentions(settings.kafka, STORED)
    for group, watched in groups.items():
        lags = await watched.look()
        for place, lag in lags.items():
            metrics.KAFKA_LAG_RECORDS.labels(group, *place).set(lag.records)
            metrics.KAFKA_LAG_SECONDS.labels(group, *place).set(lag.seconds)
        for topic, seconds in headrooms(retentions, lags).items():
            metrics.KAFKA_HEADROOM_SECONDS.labels(group, topic).set(seconds)
    metrics.KAFKA_LOOKED_AT.set(clock.now_us() / 1e6)


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
