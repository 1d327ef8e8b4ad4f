"""Cut rows that were refused together into pieces, until the bad ones stand alone."""

import re
from collections.abc import Sequence
from typing import Final

from pipeline.sinks.batch import Row

PIECE_ROWS_MAX: Final = 1000
"""Above this a piece is halved. Below, ClickHouse's word for which row is bad is followed: it saves most inserts, but
costs one more sending of all that comes after the row."""
_ROW: Final = re.compile(r"\(at row (\d+)\)")


def pieces_of(rows: Sequence[Row], reason: str) -> list[Sequence[Row]]:
    """Return `rows`, two or more, in order, as two or more pieces of which none is empty.

    `reason` is ClickHouse's; where it names a row, that row is likely to be the bad one and stands alone. Whether it is
    shows when it is inserted alone.
    """
    suspect = _suspect(reason, len(rows)) if len(rows) <= PIECE_ROWS_MAX else None
    if suspect is None:
        half = len(rows) // 2
        return [rows[:half], rows[half:]]
    return [piece for piece in (rows[:suspect], rows[suspect : suspect + 1], rows[suspect + 1 :]) if piece]


def _suspect(reason: str, rows: int) -> int | None:
    """Return the index of the row that `reason` names, counted from 1 there."""
    found = _ROW.search(reason)
    if found is None or not 1 <= int(found[1]) <= rows:
        return None
    return int(found[1]) - 1
