"""Limits of queries, as ClickHouse keeps them and callers are told of them; and the user that may only read."""

import asyncio
import re
from pathlib import Path

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clickhouse.statements import split_statements
from pipeline.adapters.clock import SystemClock
from pipeline.adapters.web.app import build
from pipeline.errors import ThreadlineError, TimedOut, TooLarge
from pipeline.query.reader import Reader, query_settings, reading_user
from pipeline.query.routes import Query
from pipeline.settings import ClickHouseSettings, QuerySettings
from tests.support.reading import Reads
from tests.support.stored import Log

QUERY_USER = Path(__file__).parents[3] / "deploy" / "clickhouse" / "query_user.sql"
LONG = "SELECT count() AS n FROM numbers(999000000) WHERE cityHash64(SHA256(toString(number))) = 1"
MANY_ROWS = "SELECT sum(number) AS n FROM numbers(100000000)"
MUCH_MEMORY = "SELECT length(groupArray(toString(number))) AS n FROM numbers(10000000)"


@pytest.mark.parametrize(
    ("sql", "limit", "kind", "named"),
    [
        (LONG, {"seconds_max": 1.0}, TimedOut, "longer than 1 s"),
        (MANY_ROWS, {"rows_read_max": 1000}, TooLarge, "more than 1,000 rows"),
        (MUCH_MEMORY, {"memory_bytes_max": 8 * 1024 * 1024}, TooLarge, "more than 8,388,608 bytes"),
    ],
)
async def test_a_query_over_a_limit_is_ended_and_says_which(
    storage_port: int, sql: str, limit: dict[str, float], kind: type[ThreadlineError], named: str
) -> None:
    settings = QuerySettings.model_validate(limit)
    async with ClickHouse(ClickHouseSettings(port=storage_port), query_settings=query_settings(settings)) as client:
        with pytest.raises(kind, match=named):
            await Reader(client, settings, SystemClock()).ask(sql, {})


async def test_a_read_over_a_limit_is_answered_so_that_no_client_asks_the_same_for_ever(
    storage_port: int, log: Log, writer: ClickHouse
) -> None:
    for number in range(50):
        log.trace(f"t-{number}", input="x" * 30_000)
    await log.store(writer)
    settings = QuerySettings(rows_read_max=10, clickhouse_user="reader")
    storage = reading_user(ClickHouseSettings(port=storage_port), settings)
    query = Query(settings, SystemClock(), ClickHouse(storage, query_settings=query_settings(settings)))
    reads = Reads(build({"query": query.routes()}, clock=SystemClock()), log.workspace)

    refused = await reads.post("/v1/private/traces/threads/search", {"project_name": log.project_name})

    assert refused.status == 413
    assert "narrower filter" in refused.json["errors"][0]
    assert "retry-after" not in refused.headers
    await query.stop()


async def test_the_user_that_only_reads_is_declared_in_statements_that_clickhouse_understands(
    writer: ClickHouse,
) -> None:
    statements = list(split_statements(await asyncio.to_thread(QUERY_USER.read_text)))

    for statement in statements:
        assert await writer.rows(f"EXPLAIN AST {statement}")
    assert statements[0].startswith("CREATE USER")
    granted = [re.fullmatch(r"GRANT (\w+) ON (\w+)\.(\S+) TO threadline_query", one) for one in statements[1:]]
    assert {grant and grant.groups() for grant in granted} == {
        ("SELECT", ClickHouseSettings().database, "*"), ("SELECT", "system", "settings"),
    }  # fmt: skip


async def test_the_limits_that_queries_bring_are_within_those_of_the_user() -> None:
    text = await asyncio.to_thread(QUERY_USER.read_text)
    settings = query_settings(QuerySettings())

    for name in ("max_execution_time", "max_memory_usage"):
        found = re.search(rf"{name} = (\d+) MIN (\d+) MAX (\d+)", text)
        assert found is not None
        assert int(found[2]) <= int(settings[name]) <= int(found[3])
        assert int(found[1]) == settings[name]
