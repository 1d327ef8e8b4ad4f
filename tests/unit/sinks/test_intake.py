import asyncio
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.adapters.clock import ManualClock
from pipeline.adapters.kafka.consumer import Fetched, LogPartition
from pipeline.events.dead_letters import Origin
from pipeline.events.envelope import Headers, headers_of
from pipeline.sinks.batch import Batch, Limits, Skip
from pipeline.sinks.intake import Intake, skips_of
from pipeline.sinks.lane import Lane
from pipeline.sinks.routes import CONTROLS, SPAN_EVENTS, TABLES, TRACE_EVENTS
from tests.support.log_records import LogRecord

PLACE = LogPartition("traces", 2)
LOG_ID = UUID(int=1)
NEWER: Headers = (("kind", b"trace"), ("schema-version", b"9"))


async def never(_: Batch) -> None:
    await asyncio.Event().wait()


@pytest.fixture
def lanes() -> dict[object, Lane]:
    return {table: Lane(table.name, never, never, lambda: None, fold_rows_max=1) for table in TABLES}


def intake(lanes: dict[object, Lane], rows_max: int = 100) -> Intake:
    return Intake(lanes, Limits(rows_max, 1000, 1.0, 1.0), ManualClock(), lambda _: LOG_ID)  # type: ignore[arg-type]


def fetched(*records: LogRecord, offset: int | None = None, next_offset: int | None = None) -> Fetched:
    """Return `records` as if nothing lay before, between or after them, unless it is said."""
    begin = records[0].offset if offset is None else offset
    return Fetched(records, begin, records[-1].offset + 1 if next_offset is None else next_offset)


def test_events_and_controls_of_one_log_go_to_tables_of_their_own(lanes: dict[object, Lane]) -> None:
    records = [LogRecord(4), LogRecord(5, b"", headers_of("tick"), key=None), LogRecord(8)]

    taken = intake(lanes).take(PLACE, fetched(*records))

    events, controls = lanes[TRACE_EVENTS].filling, lanes[CONTROLS].filling
    assert taken == (9, None)
    assert events is not None
    assert controls is not None
    assert [(row.partition, row.offset, row.key) for row in events.rows()] == [(2, 4, b"k"), (2, 8, b"k")]
    assert msgspec.json.decode(events.rows()[0].line) == {
        "log_id": str(LOG_ID), "log_partition": 2, "log_offset": 4, "appended_at_ms": 7, "a": 1,
    }  # fmt: skip
    assert msgspec.json.decode(controls.rows()[0].line)["kind"] == "tick"


@pytest.mark.parametrize(
    "bad", [LogRecord(5, None), LogRecord(5, b"[]"), LogRecord(5, headers=()), LogRecord(5, b"{\n}")]
)
def test_what_cannot_be_a_row_is_refused_in_its_place(lanes: dict[object, Lane], bad: LogRecord) -> None:
    taken = intake(lanes).take(PLACE, fetched(LogRecord(4), bad, LogRecord(6)))

    events = lanes[TRACE_EVENTS].filling
    assert taken.next_offset == 7
    assert events is not None
    assert [row.offset for row in events.rows()] == [4, 6]
    [poison] = events.poison
    assert (poison.offset, poison.value, poison.headers) == (5, bad.value, bad.headers)


def test_nothing_is_taken_from_a_record_of_a_version_to_come_on(lanes: dict[object, Lane]) -> None:
    taken = intake(lanes).take(PLACE, fetched(LogRecord(4), LogRecord(5, headers=NEWER), LogRecord(6)))

    assert taken.next_offset == 5
    assert "schema version 9" in str(taken.newer)
    assert lanes[TRACE_EVENTS].filling is not None
    assert [row.offset for row in lanes[TRACE_EVENTS].filling.rows()] == [4]


async def test_a_full_batch_is_written_at_once_and_the_next_one_begins(lanes: dict[object, Lane]) -> None:
    intake(lanes, rows_max=2).take(PLACE, fetched(*(LogRecord(offset) for offset in range(5))))

    lane = lanes[TRACE_EVENTS]
    assert [[row.offset for row in batch.rows()] for batch in lane.outstanding()] == [[0, 1], [2, 3, 4]]
    assert lane.is_blocked
    await lane.abandon()


async def test_what_is_refused_may_begin_a_batch_and_the_next_row_follows_it(lanes: dict[object, Lane]) -> None:
    records = [
        LogRecord(4),
        LogRecord(5),
        LogRecord(6, headers=()),
        LogRecord(7),
        LogRecord(8, b"", headers_of("tick")),
        LogRecord(9),
    ]

    intake(lanes, rows_max=2).take(PLACE, fetched(*records))

    lane = lanes[TRACE_EVENTS]
    assert lane.storing is not None
    assert lane.filling is not None
    assert [row.offset for row in lane.storing.rows()] == [4, 5]
    assert [record.offset for record in lane.filling.poison] == [6]
    assert [row.offset for row in lane.filling.rows()] == [7, 9], "full, and the one before it is still being written"
    await lane.abandon()


def test_a_topic_waits_for_every_lane_it_feeds(lanes: dict[object, Lane]) -> None:
    routing = intake(lanes)

    assert list(routing.lanes_of("traces")) == [lanes[TRACE_EVENTS], lanes[CONTROLS]]
    assert list(routing.lanes_of("spans")) == [lanes[SPAN_EVENTS]]


def test_offsets_without_a_record_are_noted_and_hold_the_commit_back(lanes: dict[object, Lane]) -> None:
    intake(lanes).take(PLACE, fetched(LogRecord(6), LogRecord(8), offset=3, next_offset=11))

    events = lanes[TRACE_EVENTS].filling
    assert events is not None
    assert events.skips == [Skip(2, 3, 6), Skip(2, 7, 8), Skip(2, 9, 11)]
    assert events.firsts == {2: 3}


@given(st.sets(st.integers(0, 60)), st.integers(0, 5))
def test_records_and_what_is_skipped_are_all_offsets_each_once(offsets: set[int], trailing: int) -> None:
    end = max(offsets, default=0) + 1 + trailing
    found = Fetched([LogRecord(offset) for offset in sorted(offsets)], 0, end)

    skipped = [offset for skip in skips_of(PLACE, found) for offset in range(skip.offset, skip.next_offset)]

    assert sorted([*offsets, *skipped]) == list(range(end))


def test_a_dead_letter_that_comes_again_is_taken_as_one_whatever_it_holds(lanes: dict[object, Lane]) -> None:
    origin = Origin(UUID(int=5), 1, 77, 1234)
    replayed = LogRecord(4, b"[]", (*headers_of("trace"), origin.header()))

    intake(lanes).take(PLACE, fetched(replayed))

    events = lanes[TRACE_EVENTS].filling
    assert events is not None
    [replay] = events.replays
    assert (replay.origin, replay.offset, replay.value, replay.headers) == (origin, 4, b"[]", headers_of("trace"))
    assert (events.runs, events.poison, events.firsts) == ([], [], {2: 4})


def test_a_replay_from_nowhere_is_poison(lanes: dict[object, Lane]) -> None:
    intake(lanes).take(PLACE, fetched(LogRecord(4, headers=(*headers_of("trace"), ("replayed-from", b"there")))))

    events = lanes[TRACE_EVENTS].filling
    assert events is not None
    assert [poison.reason for poison in events.poison] == ["the header replayed-from is no place in a log"]


@given(
    st.lists(
        st.sampled_from([b'{"a":1}', b"[]", None, b'{"long":"%b"}' % (b"x" * 40)]).flatmap(
            lambda value: st.sampled_from([headers_of("trace"), headers_of("tick"), ()]).map(
                lambda headers: (value, headers)
            )
        ),
        max_size=30,
    ),
    st.integers(1, 9),
)
async def test_every_record_is_taken_once_and_in_order_and_a_batch_knows_its_first(
    contents: list[tuple[bytes | None, Headers]], rows_max: int
) -> None:
    lanes: dict[object, Lane] = {
        table: Lane(table.name, never, never, lambda: None, fold_rows_max=1) for table in TABLES
    }
    records = [LogRecord(offset, value, headers) for offset, (value, headers) in enumerate(contents)]
    routing = Intake(lanes, Limits(rows_max, 100, 1.0, 1.0), ManualClock(), lambda _: LOG_ID)  # type: ignore[arg-type]
    if records:
        routing.take(PLACE, fetched(*records))

    taken: list[int] = []
    for lane in lanes.values():
        rows = [row.offset for batch in lane.outstanding() for row in batch.rows()]
        assert rows == sorted(rows)
        for batch in lane.outstanding():
            offsets = [*(row.offset for row in batch.rows()), *(record.offset for record in batch.poison)]
            assert batch.firsts == {PLACE.partition: min(offsets)}
            assert batch.records == len(offsets)
            taken += offsets
        await lane.abandon()
    assert sorted(taken) == list(range(len(records)))
