"""Random traces and spans, in any order, some twice, some at once: threads are folded as plain Python folds them."""

from hypothesis import given, settings

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.traces import TraceEvent
from pipeline.sinks.routes import SPAN_EVENTS, TRACE_EVENTS
from tests.support.events import IDS, LOGS, histories, span_events, trace_events
from tests.support.fold_oracle import Provenance, Row, Stored, fold_threads
from tests.support.folding import CUTS, EXAMPLES, Batch, Database, cut, store_by_two_sinks

_EMPTIED = ("trace_events", "trace_fields", "traces", "span_events", "spans", "thread_traces", "threads")


async def folded(client: ClickHouse, batches: list[Batch]) -> list[Row]:
    for table in _EMPTIED:
        await client.command(f"TRUNCATE TABLE {table}")
    await store_by_two_sinks(client, batches)
    rows = await client.rows(
        "SELECT * EXCEPT (events) FROM threads FINAL ORDER BY workspace, toUInt128(project_id), thread_id"
    )
    return [{name: row[name] for name in sorted(row)} for row in rows]


def of_oracle(traces: list[Stored], spans: list[Stored]) -> list[Row]:
    return [{name: row[name] for name in sorted(row)} for row in fold_threads(traces, spans)]


@given(traces=histories(trace_events()), spans=histories(span_events()), trace_cuts=CUTS, span_cuts=CUTS)
@settings(EXAMPLES, max_examples=10)
def test_threads_are_folded_as_the_oracle_folds_them(
    database: Database, traces: list[Stored], spans: list[Stored], trace_cuts: set[int], span_cuts: set[int]
) -> None:
    told = [(TRACE_EVENTS, batch) for batch in cut(traces, trace_cuts)]
    spent = [(SPAN_EVENTS, batch) for batch in cut(spans, span_cuts)]
    mixed = [batch for pair in zip(told, spent, strict=False) for batch in pair]
    rest = told[len(spent) :] + spent[len(told) :]

    found, expected = database.run(folded(database.client, mixed + rest)), of_oracle(traces, spans)
    assert [row["thread_id"] for row in found] == [row["thread_id"] for row in expected]
    for row, right in zip(found, expected, strict=True):
        assert {name: value for name, value in row.items() if value != right[name]} == {}, right


def test_a_thread_whose_traces_all_moved_away_is_gone_and_comes_back_with_the_next(database: Database) -> None:
    def said(offset: int, number: int, thread_id: str) -> Stored:
        event = TraceEvent(
            workspace="w", version_us=offset + 1, received_at_us=1, id=IDS[number], event="create", thread_id=thread_id
        )
        return Stored(event, Provenance(LOGS[0], 0, offset, 1_000 + offset))

    history = [said(0, 0, "old"), said(1, 0, "new"), said(2, 1, "old")]

    for events, names in ((1, ["old"]), (2, ["new"]), (3, ["new", "old"])):
        batches = [(TRACE_EVENTS, [one]) for one in history[:events]]
        rows = database.run(folded(database.client, batches))
        assert rows == of_oracle(history[:events], [])
        assert [row["thread_id"] for row in rows] == names
