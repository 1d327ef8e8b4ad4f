"""Put a record's provenance in front of its value, without decoding it."""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from pipeline.adapters.kafka.consumer import LogRecord
from pipeline.errors import Undecodable

PIECE_BYTES: Final = 128 * 1024
"""About so much is joined at once: it is sent while the processor still has it at hand, and the next piece gets the
same memory. One join of a whole insert costs 0.9 µs a row, most of it for memory that is new."""

_LAST_FIELD: Final = b'"appended_at_ms":'
_BEGIN, _END, _LINE_BREAK = b"{}\n"  # a number is looked for faster than a text of one byte


def head_of(log_id: UUID, partition: int) -> bytes:
    """Return the beginning of every row from one partition of a log."""
    return b'{"log_id":"%b","log_partition":%d,"log_offset":' % (str(log_id).encode(), partition)


def check(value: bytes | None) -> None:
    """Raise Undecodable where `value` cannot be one JSON object on one line.

    Only its ends and its line breaks are looked at: what else may be wrong ClickHouse says, a second object in it and
    provenance that it brings itself included.
    """
    if value is None:
        raise Undecodable("no value")
    if not value or value[0] != _BEGIN or value[-1] != _END or _LINE_BREAK in value:
        raise Undecodable("the value is not one JSON object on one line")


def are_lines(records: Sequence[LogRecord]) -> bool:
    """Return whether `check` finds nothing wrong with any of the values: the same in one pass, since it seldom does."""
    values = [record.value for record in records]
    return not [
        value
        for value in values
        if not value or value[0] != _BEGIN or value[-1] != _END or _LINE_BREAK in value
    ]  # fmt: skip


def splice(head: bytes, offset: int, appended_at_ms: int, value: bytes | None) -> bytes:
    """Return `value`, one line of JSON that is a row, with where it stood and when it was appended.

    Raises what `check` raises.
    """
    check(value)
    return b'%b%d,"appended_at_ms":%d,%b' % (head, offset, appended_at_ms, value[1:])  # type: ignore[index]


def spliced(log_id: UUID, partition: int, records: Sequence[LogRecord], size_bytes: int) -> Iterator[bytes]:
    """Yield the rows of `records` in pieces of whole lines; their values are checked, and have `size_bytes` in all."""
    head = head_of(log_id, partition)
    step = max(1, PIECE_BYTES * len(records) // size_bytes)
    for start in range(0, len(records), step):
        yield b"".join([
            b'%b%d,"appended_at_ms":%d,%b\n' % (head, record.offset, record.timestamp, record.value[1:])  # type: ignore[index]
            for record in records[start : start + step]
        ])  # fmt: skip


def value_of(line: bytes) -> bytes:
    """Return the value that `splice` made `line` of."""
    provenance_end = line.index(b",", line.index(_LAST_FIELD))
    return b"{" + line[provenance_end + 1 :]
