"""Random traces and spans, in any order, some twice, some at once: threads are folded as plain Python folds them."""

from hypothesis import given, settings

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.spans import SpanEvent
from pipeline.events.traces import TraceEvent
from pipeline.sinks.fold import DEFAULT_PROJECT_SQL
from pipeline.sinks.ranges import covering
from pipeline.sinks.routes import SPAN_EVENTS, TRACE_EVENTS
from pipeline.sinks.thread_fold import OF_THREADS, fold_of, fold_sql
from tests.support.events import IDS, LOGS, histories, span_events, trace_events
from tests.support.fold_oracle import Provenance, Row, Stored, fold_threads
from tests.support.folding import CUTS, EXAMPLES, Batch, Database, cut, row_of, store, store_by_two_sinks

_EMPTIED = (
    "trace_events", "trace_fields", "traces", "span_events", "spans", "thread_traces", *OF_THREADS,
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


def turn(offset: int, trace: int, thread_id: str = "t") -> Stored:
    event = TraceEvent(
        workspace="w", version_us=offset + 1, received_at_us=1, id=IDS[trace], event="create", thread_id=thread_id
    )
    return Stored(event, Provenance(LOGS[0], 0, offset, 1_000 + offset))


def test_a_thread_whose_traces_all_moved_away_is_gone_and_comes_back_with_the_next(database: Database) -> None:
    history = [turn(0, 0, "old"), turn(1, 0, "new"), turn(2, 1, "old")]

    for events, names in ((1, ["old"]), (2, ["new"]), (3, ["new", "old"])):
        batches = [(TRACE_EVENTS, [one]) for one in history[:events]]
        rows = database.run(folded(database.client, batches))
        assert rows == of_oracle(history[:events], [])
        assert [row["thread_id"] for row in rows] == names


def step(offset: int, trace: int, *, is_deleted: bool = False) -> Stored:
    """Return a span of a trace, or its end; its own id is that of the trace."""
    event = SpanEvent(
        workspace="w", version_us=offset + 1, received_at_us=1, id=IDS[trace], trace_id=IDS[trace],
        event="delete" if is_deleted else "create", usage={"total_tokens": 7 + trace},
    )  # fmt: skip
    return Stored(event, Provenance(LOGS[1], 0, offset, 1_000 + offset))


def test_a_fold_that_was_told_of_no_spans_and_comes_late_does_not_hide_those_stored_since(database: Database) -> None:
    told, spent = [turn(0, 0), turn(1, 1)], [step(0, 0)]
    late = fold_sql([TRACE_EVENTS.name], DEFAULT_PROJECT_SQL, has_spans=False)
    covered = covering(LOGS[0], "topic", [row_of(one) for one in told])

    async def scenario(client: ClickHouse) -> list[Row]:
        before = await folded(client, [(TRACE_EVENTS, told)])
        assert before == of_oracle(told, [])
        await store(client, SPAN_EVENTS, spent)
        await client.command(late, covered.parameters(f"{TRACE_EVENTS.name}_"))
        return await shown(client)

    assert database.run(scenario(database.client)) == of_oracle(told, spent)


def test_spans_that_were_there_first_count_in_every_fold_and_wherever_their_trace_goes(database: Database) -> None:
    spent = [step(0, 0), step(1, 1)]
    told = [turn(0, 0, "old"), turn(1, 1, "old"), turn(2, 0, "new")]

    async def scenario(client: ClickHouse) -> None:
        await folded(client, [(SPAN_EVENTS, spent)])
        for number in range(1, 4):
            await store(client, TRACE_EVENTS, told[number - 1 : number])
            assert await shown(client) == of_oracle(told[:number], spent)

    database.run(scenario(database.client))


def test_the_version_of_a_thread_counts_every_event_of_deleted_spans_and_of_traces_that_left(
    database: Database,
) -> None:
    told = [turn(0, 0, "old"), turn(1, 0, "new"), turn(2, 1, "old")]
    spent = [step(0, 0), step(1, 0, is_deleted=True), step(2, 1)]

    async def scenario(client: ClickHouse) -> list[Row]:
        rows = await folded(client, [(SPAN_EVENTS, spent), (TRACE_EVENTS, told)])
        assert rows == of_oracle(told, spent)
        return await client.rows("SELECT thread_id, events FROM threads FINAL ORDER BY thread_id")

    assert database.run(scenario(database.client)) == [
        {"thread_id": "new", "events": 4},
        {"thread_id": "old", "events": 6},
    ]
