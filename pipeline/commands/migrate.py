"""`threadline migrate`: bring topics and tables to the declared state."""

import asyncio

from pipeline.adapters.clickhouse import migrations
from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.telemetry import logs
from pipeline.settings import Settings

_log = logs.logger(__name__)


def run(settings: Settings) -> None:
    """Create missing topics and tables; safe to repeat.

    Raises SchemaMismatch where what exists is not what this version declares.
    """
    logs.configure(settings.operation, stage="migrate")
    asyncio.run(_migrate(settings))


async def _migrate(settings: Settings) -> None:
    created = await ensure_topics(settings.kafka, SystemClock())
    _log.info("topics are as declared", created=created)
    # Not started: it connects once `apply` has made the database.
    client = ClickHouse(settings.clickhouse)
    try:
        applied = await migrations.apply(client)
    finally:
        await client.close()
    _log.info("tables are as declared", applied=applied)
