"""Every statement for a cluster is one that ClickHouse reads, and reads as one node's tables spread over many."""

from pathlib import Path

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clickhouse.cluster import SETTINGS, SHARDED_BY
from pipeline.adapters.clickhouse.migrations import declared, statements_of
from tests.support.clickhouse import migrated

CLUSTER = "main-cluster"


async def test_clickhouse_parses_every_statement_for_a_cluster_and_knows_every_setting(tmp_path: Path) -> None:
    statements = [statement for migration in declared() for statement in statements_of(migration, CLUSTER)]
    async with migrated(tmp_path) as (_, client):
        for statement in statements:
            parsed = (await client.rows("SELECT formatQuery({statement:String}) AS sql", {"statement": statement}))[0]
            if not statement.startswith("INSERT"):
                assert f"ON CLUSTER `{CLUSTER}`" in parsed["sql"]
            assert ("ENGINE = ReplacingMergeTree" in parsed["sql"]) is False
        known = await client.rows(
            "SELECT count() AS found FROM system.settings WHERE name IN {names:Array(String)}",
            {"names": list(SETTINGS)},
        )
        assert known == [{"found": len(SETTINGS)}]
        await hashes_are_computed(client)


async def hashes_are_computed(client: ClickHouse) -> None:
    """Each hash is of columns that its table has; the hash of a thread is the same whatever names the thread."""
    for table, hashed in SHARDED_BY.items():
        assert await client.rows(f"SELECT {hashed} AS shard FROM {table}") == []  # noqa: S608
    thread = "SELECT 'w' AS workspace, 't' AS thread_id, generateUUIDv4() AS id"
    found = await client.rows(
        f"SELECT uniqExact({SHARDED_BY['trace_events']}, {SHARDED_BY['threads']}) AS shards "  # noqa: S608
        f"FROM ({thread} FROM numbers(50))"
    )
    assert found == [{"shards": 1}]
