"""What belongs to a transcript, asked of real rows."""

from collections.abc import Mapping

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.errors import Unevaluable
from pipeline.evaluators import reading
from pipeline.evaluators.reading import Extent, Outcome, read_transcripts, runs_of
from pipeline.evaluators.transcript import Transcript
from pipeline.events.threads import ThreadEvent
from tests.support.sessions import session_closed
from tests.support.stored import SECOND_US, Log, uuid7_at

pytestmark = pytest.mark.asyncio(loop_scope="module")

BYTES_MAX = 1_000_000


async def read(client: ClickHouse, *sessions: ThreadEvent, with_spans: bool = True) -> list[Transcript]:
    found = await read_transcripts(client, sessions, with_spans=with_spans, bytes_max=BYTES_MAX)
    assert all(isinstance(outcome, Transcript) for outcome in found), found
    return [outcome for outcome in found if isinstance(outcome, Transcript)]


def said(transcript: Outcome) -> list[tuple[str, str]]:
    assert isinstance(transcript, Transcript)
    return [(turn.question, turn.answer) for turn in transcript.turns]


async def test_a_transcript_has_every_turn_with_its_spans_in_the_order_of_their_beginnings(
    client: ClickHouse, writer: ClickHouse, log: Log
) -> None:
    second = log.trace("t", input={"user": "and then?"}, start_time_us=log.now_us + 9 * SECOND_US)
    first = log.trace("t", input={"user": "hello"}, output={"assistant": "hi"})
    parent = log.span(second, name="agent", type="general")
    log.span(second, name="search", type="tool", input={"q": 1}, error_info={"type": "x"}, parent_span_id=parent)
    log.trace(id=second, event="patch", output={"assistant": "nothing"})
    log.trace("other", input={"user": "not this"})
    await log.store(writer)

    [found] = await read(client, session_closed(log, "t", 0, 1))

    assert said(found) == [("hello", "hi"), ("and then?", "nothing")]
    assert [turn.trace_id for turn in found.turns] == [first, second]
    assert [(span.name, span.type, span.parent_span_id, span.input, span.error) for span in found.turns[1].spans] == [
        ("agent", "general", None, None, None),
        ("search", "tool", parent, '{"q":1}', '{"type":"x"}'),
    ]
    [without] = await read(client, session_closed(log, "t", 0, 1), with_spans=False)
    assert [turn.spans for turn in without.turns] == [(), ()]


async def test_a_later_session_does_not_show_in_the_transcript_of_an_earlier_one(
    client: ClickHouse, writer: ClickHouse, log: Log
) -> None:
    one = log.trace("t", input={"user": "one"}, output={"assistant": "1"})
    early = session_closed(log, "t", 0, 0)
    log.now_us += SECOND_US
    log.trace("t", id=one, event="patch", output={"assistant": "changed"})
    log.trace("t", input={"user": "two"}, output={"assistant": "2"})
    log.span(one, name="late")
    await log.store(writer)
    late = session_closed(log, "t", 1, 2)

    [first] = await read(client, early)
    [second] = await read(client, late)

    assert (said(first), first.turns[0].spans) == ([("one", "1")], ())
    assert said(second) == [("one", "changed"), ("two", "2")]
    assert [span.name for span in second.turns[0].spans] == ["late"]


async def test_a_record_of_the_session_counts_whatever_its_time_says(
    client: ClickHouse, writer: ClickHouse, log: Log
) -> None:
    log.trace("t", input={"user": "stamped late"})
    await log.store(writer)

    [found] = await read(client, session_closed(log, "t", 0, 0, closed_at_us=log.now_us - 10 * SECOND_US))

    assert said(found) == [("stamped late", "")]


async def test_what_was_deleted_or_has_moved_away_does_not_show(
    client: ClickHouse, writer: ClickHouse, log: Log
) -> None:
    log.trace("t", input={"user": "before the deletion"})
    log.closed("t", 0, 0, reason="deleted")
    log.now_us += 2 * SECOND_US
    gone = log.trace("t", input={"user": "tombstone"})
    moved = log.trace("t", input={"user": "moved"})
    log.trace("t", input={"user": "kept"})
    log.trace(id=gone, event="delete")
    log.trace("other", id=moved, event="patch")
    await log.store(writer)

    [found] = await read(client, session_closed(log, "t", 2, 4))

    assert said(found) == [("kept", "")]


async def test_many_threads_are_read_at_once_and_each_has_its_own_end(
    client: ClickHouse, writer: ClickHouse, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "TURNS_MAX", 5)  # so that they need several queries
    closes = []
    for number in range(7):
        first = log.offset + 1
        for turn in range(2):
            log.trace(f"t{number}", input={"user": f"{number}.{turn}"})
        closes.append(session_closed(log, f"t{number}", first, log.offset))
        log.trace(f"t{number}", input={"user": "later"})
    closes.append(session_closed(log, "nothing is known of it", 0, 0))
    await log.store(writer)

    found = await read(client, *closes)

    assert [said(one) for one in found[:-1]] == [[(f"{number}.0", ""), (f"{number}.1", "")] for number in range(7)]
    assert found[-1].turns == ()


async def test_a_thread_that_is_too_large_is_refused_and_costs_no_other(
    client: ClickHouse, writer: ClickHouse, log: Log
) -> None:
    log.trace("large", input={"user": "x" * 700})
    by_spans = log.trace("large spans", input={"user": "x"})
    log.span(by_spans, output={"text": "x" * 700})
    log.trace("small", input={"user": "x"})
    await log.store(writer)
    closes = [session_closed(log, name, 0, 9) for name in ("large", "large spans", "small")]

    large, spans, small = await read_transcripts(client, closes, with_spans=True, bytes_max=600)

    assert isinstance(large, Unevaluable)
    assert "too large" in str(large)
    assert isinstance(spans, Unevaluable)
    assert said(small) == [("x", "")]


async def test_runs_are_bounded_by_turns_and_bytes_and_a_large_one_stands_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "TURNS_MAX", 4)
    monkeypatch.setattr(reading, "READ_BYTES_MAX", 10)
    log = Log("default")
    sizes = {"a": (2, 3), "b": (2, 3), "c": (1, 1), "d": (1, 99), "e": (1, 1)}
    extents: Mapping[str, Extent] = {
        name: Extent([uuid7_at(1, number) for number in range(turns)], size) for name, (turns, size) in sizes.items()
    }

    runs = runs_of([session_closed(log, name, 0, 0) for name in sizes], extents)

    assert [[session.thread_id for session in run] for run in runs] == [["a", "b"], ["c"], ["d"], ["e"]]
