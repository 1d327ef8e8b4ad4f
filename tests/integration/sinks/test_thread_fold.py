"""Random traces and spans, in any order, some twice, some at once: threads are folded as plain Python folds them."""

from hypothesis import given, settings

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.traces import TraceEvent
from pipeline.sinks.routes import SPAN_EVENTS, TRACE_EVENTS
from pipeline.sinks.thread_fold import fold_of
from tests.support.events import IDS, LOGS, histories, span_events, trace_events
from tests.support.fold_oracle import Provenance, Row, Stored, fold_threads
from tests.support.folding import CUTS, EXAMPLES, Batch, Database, cut, store, store_by_two_sinks

_EMPTIED = (
    "trace_events", "trace_fields", "traces", "span_events", "spans", "thread_traces", "threads", "thread_previews",
)  # fmt: skip
_NAMED = "SELECT workspace, first_trace, trace_id, trace_events, is_last, preview FROM thread_previews ORDER BY events"


async def folded(client: ClickHouse, batches: list[Batch]) -> list[Row]:
    for table in _EMPTIED:
        await client.command(f"TRUNCATE TABLE {table}")
    await store_by_two_sinks(client, batches)
    return await shown(client)


async def shown(client: ClickHouse) -> list[Row]:
    """Return the rows of `threads`, each with what stands under the names that it gives; None where nothing does."""
    rows = await client.rows(
        "SELECT * EXCEPT (events) FROM threads FINAL ORDER BY workspace, toUInt128(project_id), thread_id"
    )
    said = {tuple(row.values())[:5]: row["preview"] for row in await client.rows(_NAMED)}
    for row in rows:
        for is_last, end in enumerate(("first", "last")):
            name = (row["workspace"], row["first_trace"], row[f"{end}_id"], row.pop(f"{end}_events"), is_last)
            row[f"{end}_preview"] = said.get(name, None if row[f"{end}_bytes"] else "")
    return [{name: row[name] for name in sorted(row)} for row in rows]


def differing(row: Row, right: Row) -> Row:
    """Return what of a row is not right; a preview may be missing, since readers then look into the events."""
    absent = {name for name in ("first_preview", "last_preview") if row[name] is None}
    return {name: value for name, value in row.items() if value != right[name] and name not in absent}


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
        assert differing(row, right) == {}, right


def test_the_previews_of_a_thread_are_there_turn_by_turn_and_again_when_it_is_folded_as_a_whole(
    database: Database,
) -> None:
    ids = sorted(IDS[:4], key=lambda one: one.int)

    def said(offset: int, number: int, start_us: int) -> Stored:
        event = TraceEvent(
            workspace="w", version_us=offset + 1, received_at_us=1, id=ids[number], event="create", thread_id="long",
            start_time_us=start_us, end_time_us=start_us, input=f'"in {start_us}"', output=f'"out {start_us}"',
        )  # fmt: skip
        return Stored(event, Provenance(LOGS[0], 0, offset, 1_000 + offset))

    async def stored_in_turn(history: list[Stored]) -> list[Row]:
        for one in history:
            await store(database.client, TRACE_EVENTS, [one])
        return await shown(database.client)

    told = [said(offset, number, 10 * number) for offset, number in enumerate((1, 2, 3))]
    database.run(folded(database.client, []))
    assert database.run(stored_in_turn(told)) == of_oracle(told, [])

    told.append(said(3, 0, 5))
    [row] = database.run(stored_in_turn(told[3:]))
    [right] = of_oracle(told, [])
    assert (row["first_preview"], row["last_preview"]) == ('"in 5"', None), "nobody touched the last one since"
    assert differing(row, right) == {}

    touched = "SELECT workspace, project_id, thread_id FROM threads"
    database.run(database.client.command(fold_of(touched)))
    assert database.run(shown(database.client)) == [right]


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
