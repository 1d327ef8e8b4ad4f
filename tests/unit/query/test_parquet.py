import io
from datetime import datetime

import pyarrow.parquet as pq
import pytest

from pipeline.query import parquet
from pipeline.query.parquet import Parquet
from pipeline.query.turn_table import COLUMNS
from tests.support.conversations import AT, a_thread, a_trace


def test_a_file_is_read_back_as_it_was_with_its_types() -> None:
    form = Parquet()
    octets = form.thread(a_thread(3)) + form.turns([a_trace(1, input='{"a":1}', duration=1.5, span_count=2)])
    octets += form.end()

    table = pq.read_table(io.BytesIO(octets))

    assert table.column_names == [column.name for column in COLUMNS]
    row = table.to_pylist()[0]
    assert (row["thread_id"], row["input"], row["duration_ms"], row["span_count"]) == ("t-3", '{"a":1}', 1.5, 2)
    assert row["start_time"] == datetime.fromisoformat(AT)
    assert row["end_time"] is None


def test_a_row_group_is_written_as_soon_as_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES_MAX", 10_000)
    form = Parquet()
    form.thread(a_thread())
    pieces = [form.turns([a_trace(number, input=f'"{number:06}{"x" * 994}"')]) for number in range(100)]
    octets = b"".join(pieces) + form.end()

    assert sum(bool(piece) for piece in pieces) >= 8, "groups went out before the end"
    assert pq.ParquetFile(io.BytesIO(octets)).num_row_groups >= 8
    assert pq.read_table(io.BytesIO(octets)).num_rows == 100


def test_an_empty_file_has_its_columns() -> None:
    assert pq.read_table(io.BytesIO(Parquet().end())).num_columns == len(COLUMNS)
