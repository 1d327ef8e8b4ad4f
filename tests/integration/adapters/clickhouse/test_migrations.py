from pathlib import Path

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clickhouse.migrations import apply, declared
from pipeline.errors import SchemaMismatch
from tests.support.clickhouse import ClickHouseProcess


async def test_migrations_run_once_each_in_a_database_that_they_create(tmp_path: Path) -> None:
    process = ClickHouseProcess(tmp_path)
    await process.start()
    names = [migration.name for migration in declared()]
    try:
        async with ClickHouse(process.settings.model_copy(update={"database": "threadline-test"})) as client:
            assert await apply(client) == names
            assert await apply(client) == []
            tables = {row["name"] for row in await client.rows("SHOW TABLES")}
            assert {"trace_events", "traces", "span_events", "spans", "schema_migrations"} <= tables

            await client.command(
                "ALTER TABLE schema_migrations DELETE WHERE number > 1", settings={"mutations_sync": 2}
            )
            assert await apply(client) == names[1:]

            await client.command("INSERT INTO schema_migrations (number, name, checksum) SELECT 1, 'x', 'y'")
            with pytest.raises(SchemaMismatch, match="was changed"):
                await apply(client)
    finally:
        await process.kill()
