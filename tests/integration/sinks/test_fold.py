"""Random events, in any order, some twice, some at once: ClickHouse folds them as plain Python does."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.identity import DEFAULT_PROJECT_NAME, project_id
from pipeline.events.traces import TraceEvent
from pipeline.sinks.batch import Row
from pipeline.sinks.fold import DEFAULT_PROJECT_SQL, fold
from pipeline.sinks.ranges import covering
from pipeline.sinks.routes import SPAN_EVENTS, TRACE_EVENTS, Table
from pipeline.sinks.splice import head_of, splice
from tests.support.clickhouse import migrated
from tests.support.events import IDS, LOGS, histories, span_events, trace_events
from tests.support.fold_oracle import Provenance, Stored, fold_spans, fold_traces

EXAMPLES = settings(
    max_examples=18,
    deadline=None,
    phases=[phase for phase in Phase if phase is not Phase.explain],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Run = Callable[[Any], Any]


class Database:
    """A ClickHouse and the event loop of its client."""

    def __init__(self, runner: asyncio.Runner, client: ClickHouse) -> None:
        self.run: Run = runner.run
        self.client = client


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path: Path = tmp_path_factory.mktemp("clickhouse")
    with asyncio.Runner() as runner:
        context = migrated(path)
        _, client = runner.run(context.__aenter__())
        try:
            yield Database(runner, client)
        finally:
            runner.run(context.__aexit__(None, None, None))


async def store(client: ClickHouse, table: Table, batch: Iterable[Stored]) -> None:
    """Insert and fold one batch, as a sink does; the rows of each log by themselves."""
    by_log: dict[UUID, list[Row]] = {}
    for one in sorted(batch, key=lambda one: one.at):
        by_log.setdefault(one.at.log_id, []).append(_row_of(one))
    for log_id, rows in by_log.items():
        # Without a token: these batches have holes, which those of a sink have not, so that two could have the same.
        await client.insert_lines(table.name, [row.line for row in rows], token=None)
        await fold(client, table.name, covering(log_id, "topic", rows))


def _row_of(stored: Stored) -> Row:
    at = stored.at
    value = msgspec.json.encode(stored.event)
    line = splice(head_of(at.log_id, at.partition), at.offset, at.appended_at_ms, value)
    return Row(line, at.partition, at.offset, at.appended_at_ms, None, ())


async def check(
    client: ClickHouse, table: Table, folded: str, batches: list[list[Stored]], expected: list[dict[str, Any]]
) -> None:
    for emptied in (table.name, "trace_fields", folded):
        await client.command(f"TRUNCATE TABLE {emptied}")
    # Two sinks at once: each folds after its own insert.
    await asyncio.gather(*(_in_turn(client, table, batches[number::2]) for number in range(2)))
    order = "workspace, toUInt128(id)" if folded == "traces" else "workspace, toUInt128(trace_id), toUInt128(id)"
    found = await client.rows(f"SELECT * FROM {folded} FINAL ORDER BY {order}")  # noqa: S608
    assert [{name: row[name] for name in sorted(row)} for row in found] == [
        {name: row[name] for name in sorted(row)} for row in expected
    ]


async def _in_turn(client: ClickHouse, table: Table, batches: list[list[Stored]]) -> None:
    for batch in batches:
        await store(client, table, batch)


def cut(history: list[Stored], places: set[int]) -> list[list[Stored]]:
    edges = [0, *sorted(place for place in places if place < len(history)), len(history)]
    return [history[start:end] for start, end in pairwise(edges) if start < end]


def test_folding_again_brings_back_rows_that_were_deleted(database: Database) -> None:
    event = TraceEvent(workspace="w", version_us=1, received_at_us=1, id=IDS[0], event="create", thread_id="t")
    history = [Stored(event, Provenance(LOGS[0], 0, 7, 1_000))]

    async def scenario(client: ClickHouse) -> None:
        await check(client, TRACE_EVENTS, "traces", [history], fold_traces(history))
        await client.command("ALTER TABLE traces DELETE WHERE 1", settings={"mutations_sync": 2})
        assert await client.rows("SELECT count() AS rows FROM traces") == [{"rows": 0}]
        await fold(client, TRACE_EVENTS.name, covering(LOGS[0], "topic", [_row_of(one) for one in history]))
        assert len(await client.rows("SELECT * FROM traces FINAL")) == 1

    database.run(scenario(database.client))


def test_clickhouse_gives_a_default_project_the_id_that_python_gives_it(database: Database) -> None:
    names = "SELECT toString(number) AS workspace FROM numbers(2000) ORDER BY number"
    sql = f"SELECT {DEFAULT_PROJECT_SQL} AS id FROM ({names})"  # noqa: S608
    found = [row["id"] for row in database.run(database.client.rows(sql))]

    assert found == [project_id(str(number), DEFAULT_PROJECT_NAME) for number in range(2000)]
    assert any(str(identity).startswith("00") for identity in found)


CUTS = st.sets(st.integers(1, 13), max_size=3)


@given(history=histories(trace_events()), cuts=CUTS)
@EXAMPLES
def test_traces_are_folded_as_the_oracle_folds_them(database: Database, history: list[Stored], cuts: set[int]) -> None:
    expected = fold_traces(history)

    database.run(check(database.client, TRACE_EVENTS, "traces", cut(history, cuts), expected))


@given(history=histories(span_events()), cuts=CUTS)
@EXAMPLES
def test_spans_are_folded_as_the_oracle_folds_them(database: Database, history: list[Stored], cuts: set[int]) -> None:
    expected = fold_spans(history)

    database.run(check(database.client, SPAN_EVENTS, "spans", cut(history, cuts), expected))
