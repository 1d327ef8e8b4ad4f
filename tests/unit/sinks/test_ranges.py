from dataclasses import replace
from uuid import UUID

import pytest

from pipeline.sinks import ranges
from pipeline.sinks.batch import Row
from pipeline.sinks.ranges import Span, covering, together

LOG_ID = UUID(int=1)


def at(partition: int, offset: int, appended_at_ms: int) -> Row:
    return Row(b"", partition, offset, appended_at_ms, None, ())


ROWS = [at(0, 7, 100), at(1, 3, 90), at(0, 9, 110)]


def test_rows_cover_the_offsets_and_the_append_times_between_their_ends() -> None:
    covered = covering(LOG_ID, "traces", ROWS)

    assert covered.offsets == {0: Span(7, 9), 1: Span(3, 3)}
    assert (covered.rows, covered.appended_from_ms, covered.appended_to_ms) == (3, 90, 110)


def test_every_name_that_the_sql_binds_is_among_the_parameters() -> None:
    for name in covering(LOG_ID, "traces", ROWS).parameters():
        assert f"{{{name}:" in ranges.COVERED_SQL


def test_the_same_rows_have_the_same_token_in_whatever_order_their_partitions_came() -> None:
    assert covering(LOG_ID, "t", ROWS).token("x") == covering(LOG_ID, "t", [ROWS[1], ROWS[0], ROWS[2]]).token("x")


def test_anything_that_makes_other_rows_makes_another_token() -> None:
    covered = covering(LOG_ID, "traces", ROWS)
    others = [
        covering(UUID(int=2), "traces", ROWS),
        covering(LOG_ID, "spans", ROWS),
        covering(LOG_ID, "traces", ROWS[:2]),
        covering(LOG_ID, "traces", [*ROWS[:2], at(0, 10, 110)]),
        covering(LOG_ID, "traces", [at(0, 7, 100), at(1, 3, 90), at(1, 9, 110)]),
    ]

    tokens = {covered.token("a"), covered.token("b"), covered.token("a", "run"), *(one.token("a") for one in others)}
    assert len(tokens) == 3 + len(others)


def test_other_rows_between_the_same_ends_have_another_token() -> None:
    first, second = ([at(0, offset, 100) for offset in offsets] for offsets in ((0, 1, 3), (0, 2, 3)))
    one, other = covering(LOG_ID, "traces", first), covering(LOG_ID, "traces", second)

    assert replace(one, places="") == replace(other, places="")
    assert one.token("x") != other.token("x")


def test_rows_that_nothing_names_have_no_token() -> None:
    parts = [covering(LOG_ID, "traces", rows) for rows in (ROWS, [at(2, 1, 95)])]

    with pytest.raises(ValueError, match="no token"):
        together(parts).token("x")


def test_append_times_are_no_part_of_a_token() -> None:
    later = [at(row.partition, row.offset, row.appended_at_ms + 1) for row in ROWS]

    assert covering(LOG_ID, "t", ROWS).token("x") == covering(LOG_ID, "t", later).token("x")


def test_batches_together_cover_from_the_first_offset_to_the_last_of_each_partition() -> None:
    parts = [covering(LOG_ID, "traces", rows) for rows in (ROWS, [at(2, 1, 95)], [at(0, 10, 130), at(1, 1, 120)])]

    covered = together(parts)

    assert covered.offsets == {0: Span(7, 10), 1: Span(1, 3), 2: Span(1, 1)}
    assert (covered.rows, covered.appended_from_ms, covered.appended_to_ms) == (6, 90, 130)
    assert (covered.log_id, covered.topic) == (LOG_ID, "traces")
    assert together(parts[:1]) == replace(parts[0], places="")
