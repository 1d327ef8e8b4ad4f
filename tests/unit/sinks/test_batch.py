from uuid import UUID

import pytest

from pipeline.sinks.batch import Batch, Limits, Lines, Poison, Run, Skip
from pipeline.sinks.ranges import Span, covering
from tests.support.log_records import LogRecord, run_of

LIMITS = Limits(rows_max=3, bytes_max=100, age_seconds_max=1.0, idle_seconds_max=0.2)


def batch(now: float = 10.0) -> Batch:
    return Batch("traces", UUID(int=1), LIMITS, now)


def row(offset: int, *, partition: int = 0, size: int = 2) -> Run:
    return run_of(partition, LogRecord(offset, b"{" + b" " * (size - 2) + b"}"))


def poison(offset: int, *, partition: int = 0, size: int = 1) -> Poison:
    return Poison(partition, offset, 0, None, b"x" * size, (), 0, "bad")


def test_it_knows_the_first_offset_of_each_partition_whether_row_or_poison() -> None:
    filled = batch()
    for one in (row(5), row(6), row(2, partition=1)):
        filled.add(one, 10.0)
    filled.refuse(poison(1, partition=2), 10.0)
    filled.refuse(poison(7), 10.0)

    assert filled.firsts == {0: 5, 1: 2, 2: 1}


def test_it_is_full_by_records() -> None:
    filled = batch()
    filled.refuse(poison(0), 10.0)
    filled.add(row(1), 10.0)
    assert not filled.is_full
    filled.add(row(2), 10.0)

    assert filled.is_full
    assert filled.records == 3


def test_it_is_full_by_bytes_of_rows_and_of_poison() -> None:
    filled = batch()
    filled.add(row(0, size=60), 10.0)
    assert not filled.is_full
    filled.refuse(poison(1, size=40), 10.0)

    assert filled.is_full


def test_it_is_due_when_nothing_more_came_for_a_while() -> None:
    filled = batch(now=10.0)
    filled.add(row(0), 10.5)

    assert filled.due_at() == pytest.approx(10.7)
    assert filled.due_at(write_seconds=0.025) == pytest.approx(10.7), "no sooner than its limits say"
    assert filled.due_at(write_seconds=0.1) == pytest.approx(10.9), "storage is slow"
    assert filled.due_at(write_seconds=0.9) == pytest.approx(11.0), "it is old"


def test_it_is_due_when_it_is_old_however_much_still_comes() -> None:
    filled = batch(now=10.0)
    filled.add(row(0), 10.95)

    assert filled.due_at() == pytest.approx(11.0)


def test_where_storage_is_slow_it_may_be_older_but_not_as_old_as_an_outage() -> None:
    filled = batch(now=10.0)
    filled.add(row(0), 14.0)

    assert filled.due_at(write_seconds=2.0) == pytest.approx(12.0)
    assert filled.due_at(write_seconds=600.0) == pytest.approx(13.0)


def test_it_is_due_at_once_when_it_is_full() -> None:
    filled = batch(now=10.0)
    for offset in range(3):
        filled.add(row(offset), 10.1)

    assert filled.due_at() <= 10.1


def test_offsets_without_an_event_hold_the_commit_back_but_fill_nothing() -> None:
    filled = batch()
    filled.add(row(8), 10.0)
    filled.skip(Skip(0, 5, 8))
    filled.skip(Skip(1, 3, 4))

    assert filled.firsts == {0: 5, 1: 3}
    assert filled.records == 1


def test_what_is_stored_gives_its_memory_back_and_still_holds_the_commit_back() -> None:
    filled = batch()
    filled.add(row(8, size=50), 10.0)
    filled.release()

    assert (filled.runs, filled.bytes, filled.firsts) == ([], 0, {0: 8})


def test_it_knows_the_first_offset_also_where_poison_stood_before_the_rows() -> None:
    filled = batch()
    filled.add(row(8), 10.0)
    filled.refuse(poison(7), 10.0)

    assert filled.firsts == {0: 7}


@pytest.mark.parametrize(
    ("sizes", "room"), [([5] * 2, 2), ([5] * 3, 3), ([5] * 9, 3), ([60, 40, 1], 2), ([60, 39], 2), ([200, 1], 1)]
)
def test_it_has_room_until_it_is_full_by_rows_or_bytes(sizes: list[int], room: int) -> None:
    assert batch().room(sizes) == room


def test_what_is_full_takes_whatever_comes_since_nothing_else_can() -> None:
    filled = batch()
    filled.add(row(0, size=100), 10.0)

    assert filled.room([50] * 10) == 10


def test_its_rows_cover_the_offsets_and_times_between_the_ends_of_its_runs() -> None:
    filled = batch()
    filled.add(run_of(0, LogRecord(5, timestamp=30), LogRecord(6, timestamp=20)), 10.0)
    filled.add(run_of(1, LogRecord(2, timestamp=25)), 10.0)
    filled.add(run_of(0, LogRecord(9, timestamp=40)), 10.0)
    covered = filled.covered()

    assert (covered.offsets, covered.rows) == ({0: Span(5, 9), 1: Span(2, 2)}, 4)
    assert (covered.appended_from_ms, covered.appended_to_ms) == (20, 40)
    assert [(one.partition, one.offset) for one in filled.rows()] == [(0, 5), (0, 6), (1, 2), (0, 9)]


def test_its_lines_are_those_of_its_rows_however_often_they_are_asked_for() -> None:
    filled = batch()
    filled.add(run_of(0, LogRecord(5), LogRecord(6)), 10.0)
    filled.add(run_of(1, LogRecord(2)), 10.0)
    lines = Lines(filled)

    for _ in range(2):
        assert b"".join(lines).splitlines() == [one.line for one in filled.rows()]


def test_the_same_rows_have_the_same_token_in_whatever_pieces_they_were_read() -> None:
    whole, pieces, holed = batch(), batch(), batch()
    whole.add(run_of(0, *(LogRecord(offset) for offset in (3, 5, 6))), 10.0)
    for offset in (3, 5, 6):
        pieces.add(run_of(0, LogRecord(offset)), 10.0)
    holed.add(run_of(0, *(LogRecord(offset) for offset in (3, 4, 6))), 10.0)

    token = whole.covered().token("x")
    assert pieces.covered().token("x") == token
    assert covering(UUID(int=1), "traces", whole.rows()).token("x") == token
    assert holed.covered().token("x") != token
