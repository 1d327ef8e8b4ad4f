import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sinks.batch import Row
from pipeline.sinks.isolate import PIECE_ROWS_MAX, pieces_of


def rows(count: int) -> list[Row]:
    return [Row(b"", 0, offset, 0, None, ()) for offset in range(count)]


@given(count=st.integers(2, 2 * PIECE_ROWS_MAX), named=st.integers(0, 3 * PIECE_ROWS_MAX) | st.none())
def test_no_row_is_lost_or_moved_and_every_piece_is_smaller(count: int, named: int | None) -> None:
    whole = rows(count)

    pieces = pieces_of(whole, "no row" if named is None else f"bad (at row {named})\n: more")

    assert [row for piece in pieces for row in piece] == whole
    assert all(0 < len(piece) < count for piece in pieces)


@pytest.mark.parametrize("named", [1, 2, 7])
def test_the_row_that_clickhouse_names_stands_alone(named: int) -> None:
    pieces = pieces_of(rows(7), f"Cannot parse input: (at row {named})")

    assert [named - 1] in [[row.offset for row in piece] for piece in pieces]


def test_many_rows_are_halved_first() -> None:
    pieces = pieces_of(rows(PIECE_ROWS_MAX + 1), "(at row 1)")

    assert [len(piece) for piece in pieces] == [PIECE_ROWS_MAX // 2, PIECE_ROWS_MAX // 2 + 1]
