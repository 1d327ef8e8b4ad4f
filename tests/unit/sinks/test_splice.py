import json
from uuid import UUID

import pytest

from pipeline.errors import Undecodable
from pipeline.sinks.splice import PIECE_BYTES, are_lines, head_of, splice, spliced, value_of
from tests.support.log_records import LogRecord

LOG_ID = UUID("01a20291-4e26-7ff3-a706-456f44abbb5a")
HEAD = head_of(LOG_ID, 3)


def test_a_row_is_its_value_with_where_it_stood() -> None:
    line = splice(HEAD, 12, 5, b'{"id":"x","input":"{}"}')

    assert json.loads(line) == {
        "log_id": str(LOG_ID),
        "log_partition": 3,
        "log_offset": 12,
        "appended_at_ms": 5,
        "id": "x",
        "input": "{}",
    }


@pytest.mark.parametrize("value", [b'{"id":"x"}', b'{"appended_at_ms":7,"a":1}', b"{}"])
def test_the_value_of_a_row_is_found_again(value: bytes) -> None:
    assert value_of(splice(HEAD, 2**63, 2**41, value)) == value


@pytest.mark.parametrize("value", [None, b"", b"null", b"[]", b'{"a":1', b'"a"}', b'{"a":\n1}', b' {"a":1}'])
def test_what_is_not_one_object_on_one_line_is_refused(value: bytes | None) -> None:
    with pytest.raises(Undecodable):
        splice(HEAD, 0, 0, value)
    assert not are_lines([LogRecord(1), LogRecord(2, value), LogRecord(3)])


def test_many_records_become_their_rows_in_pieces_of_whole_lines() -> None:
    sizes = [1, 90_000, 10, 60_000, 300_000, 5, 5]
    records = [LogRecord(offset, b'{"a":"%b"}' % (b"x" * size)) for offset, size in enumerate(sizes)]
    size_bytes = sum(len(record.value or b"") for record in records)

    assert are_lines(records)
    pieces = list(spliced(LOG_ID, 3, records, size_bytes))

    assert len(pieces) > 1
    assert max(map(len, pieces)) < 300_000 + PIECE_BYTES
    assert all(piece.endswith(b"}\n") for piece in pieces)
    assert b"".join(pieces).splitlines() == [splice(HEAD, one.offset, one.timestamp, one.value) for one in records]
