"""The table of `turn_table` as a Parquet file, in row groups of bounded size (Apache Arrow writes it).

Arrow is asked for here and nowhere else, since it is an extra (`threadline[parquet]`) and larger than all the rest.
"""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.query.rows import Thread, Trace
from pipeline.query.turn_table import COLUMNS, row_of

GROUP_BYTES_MAX: Final = 16 * 1024 * 1024
"""About how much text a row group holds: what memory is for, and what a reader must load at once."""
GROUP_ROWS_MAX: Final = 20_000

_TYPES: Final = {
    "text": pa.string(),
    "json": pa.string(),
    "number": pa.float64(),
    "whole": pa.int64(),
    "time": pa.timestamp("us", tz="UTC"),
}
SCHEMA: Final = pa.schema([(column.name, _TYPES[column.kind]) for column in COLUMNS])
_TIMES: Final = frozenset(place for place, column in enumerate(COLUMNS) if column.kind == "time")


class _Outlet(io.RawIOBase):
    """A file that hands on what was written since it was asked last."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, octets: Any) -> int:
        piece = bytes(octets)
        self._pieces.append(piece)
        self._length += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._length

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class Parquet:
    """A Parquet file, compressed with zstd."""

    def __init__(self) -> None:
        self._outlet: Final = _Outlet()
        self._writer: Final = pq.ParquetWriter(self._outlet, SCHEMA, compression="zstd")
        self._rows: list[list[Any]] = []
        self._bytes = 0
        self._thread: Thread | None = None

    def thread(self, thread: Thread) -> bytes:
        """Take the thread of the rows to come."""
        self._thread = thread
        return b""

    def turns(self, traces: Sequence[Trace]) -> bytes:
        """Gather a row for each trace; return the row groups that are full."""
        if self._thread is None:
            raise ValueError("traces before their thread")
        for trace in traces:
            row = row_of(self._thread, trace)
            self._rows.append(row)
            self._bytes += sum(len(cell) for cell in row if isinstance(cell, str))
            if self._bytes >= GROUP_BYTES_MAX or len(self._rows) >= GROUP_ROWS_MAX:
                self._write_group()
        return self._outlet.taken()

    def end(self) -> bytes:
        """Return the last row group and the end of the file."""
        if self._rows:
            self._write_group()
        self._writer.close()
        return self._outlet.taken()

    def _write_group(self) -> None:
        columns = zip(*self._rows, strict=True)
        arrays = [
            pa.array([_time(cell) for cell in cells] if place in _TIMES else list(cells), type=SCHEMA.field(place).type)
            for place, cells in enumerate(columns)
        ]
        self._writer.write_table(pa.table(arrays, schema=SCHEMA))
        self._rows, self._bytes = [], 0


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
