"""Random events, in any order, some twice, some at once: ClickHouse folds them as plain Python does."""

from typing import Any

from hypothesis import given

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.identity import DEFAULT_PROJECT_NAME, project_id
from pipeline.events.traces import TraceEvent
from pipeline.sinks.fold import DEFAULT_PROJECT_SQL, fold
from pipeline.sinks.ranges import covering
from pipeline.sinks.routes import SPAN_EVENTS, TRACE_EVENTS, Table
from tests.support.events import IDS, LOGS, histories, span_events, trace_events
from tests.support.fold_oracle import Provenance, Stored, fold_spans, fold_traces
from tests.support.folding import CUTS, EXAMPLES, Database, cut, row_of, store_by_two_sinks


async def check(
    client: ClickHouse, table: Table, folded: str, batches: list[list[Stored]], expected: list[dict[str, Any]]
) -> None:
    for emptied in (table.name, "trace_fields", "thread_traces", folded):
        await client.command(f"TRUNCATE TABLE {emptied}")
    await store_by_two_sinks(client, [(table, batch) for batch in batches])
    order = "workspace, toUInt128(id)" if folded == "traces" else "workspace, toUInt128(trace_id), toUInt128(id)"
    found = await client.rows(f"SELECT * FROM {folded} FINAL ORDER BY {order}")  # noqa: S608
    assert [{name: row[name] for name in sorted(row)} for row in found] == [
        {name: row[name] for name in sorted(row)} for row in expected
    ]


def test_folding_again_brings_back_rows_that_were_deleted(database: Database) -> None:
    event = TraceEvent(workspace="w", version_us=1, received_at_us=1, id=IDS[0], event="create", thread_id="t")
    history = [Stored(event, Provenance(LOGS[0], 0, 7, 1_000))]

    async def scenario(client: ClickHouse) -> None:
        await check(client, TRACE_EVENTS, "traces", [history], fold_traces(history))
        await client.command("ALTER TABLE traces DELETE WHERE 1", settings={"mutations_sync": 2})
        assert await client.rows("SELECT count() AS rows FROM traces") == [{"rows": 0}]
        await fold(client, TRACE_EVENTS.name, covering(LOGS[0], "topic", [row_of(one) for one in history]))
        assert len(await client.rows("SELECT * FROM traces FINAL")) == 1

    database.run(scenario(database.client))


def test_clickhouse_gives_a_default_project_the_id_that_python_gives_it(database: Database) -> None:
    names = "SELECT toString(number) AS workspace FROM numbers(2000) ORDER BY number"
    sql = f"SELECT {DEFAULT_PROJECT_SQL} AS id FROM ({names})"  # noqa: S608
    found = [row["id"] for row in database.run(database.client.rows(sql))]

    assert found == [project_id(str(number), DEFAULT_PROJECT_NAME) for number in range(2000)]
    assert any(str(identity).startswith("00") for identity in found)


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
