import csv
import io
import json

import pytest

from pipeline.query.turn_table import COLUMNS, Csv, row_of
from tests.support.conversations import AT, a_thread, a_trace


def test_a_row_is_a_trace_with_what_is_known_of_its_thread() -> None:
    trace = a_trace(1, input='"line\nbreak"', output="{}", tags=["a"], usage={"total_tokens": 3}, thread_id="t-7")

    row = dict(zip((column.name for column in COLUMNS), row_of(a_thread(7, tags=["vip"]), trace), strict=True))

    assert row["thread_id"] == "t-7"
    assert (row["thread_tags"], row["tags"], row["usage"]) == ('["vip"]', '["a"]', '{"total_tokens":3}')
    assert (row["start_time"], row["end_time"], row["output"]) == (AT, None, "{}")
    assert (row["feedback_scores"], row["metadata"]) == (None, None)


def test_names_of_columns_are_distinct() -> None:
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)


def test_csv_is_read_back_as_it_was_whatever_is_in_a_cell() -> None:
    form = Csv()
    said = ['"a, \\"b\\""', '"x\\r\\ny"', '{"k":"ü"}']
    octets = form.thread(a_thread()) + form.turns([a_trace(n, input=text) for n, text in enumerate(said)])
    octets += form.thread(a_thread(1)) + form.turns([a_trace(9, name='"quoted", and more')]) + form.end()

    rows = list(csv.DictReader(io.StringIO(octets.decode(), newline="")))

    assert [row["thread_id"] for row in rows] == ["t-0"] * 3 + ["t-1"]
    assert [row["input"] for row in rows] == [*said, ""]
    assert json.loads(rows[2]["input"]) == {"k": "ü"}
    assert rows[3]["name"] == '"quoted", and more'


def test_an_empty_table_has_its_names() -> None:
    assert Csv().end().decode().split(",")[0] == "thread_id"


def test_traces_need_a_thread() -> None:
    with pytest.raises(ValueError, match="before their thread"):
        Csv().turns([a_trace(1)])
