"""Records as a consumer gives them."""

from collections.abc import Sequence

import msgspec

from pipeline.events.envelope import headers_of
from pipeline.sinks.batch import Run


class LogRecord(msgspec.Struct):
    """A record that stands at `offset`; by default the event of a trace."""

    offset: int
    value: bytes | None = b'{"a":1}'
    headers: Sequence[tuple[str, bytes]] = headers_of("trace")
    timestamp: int = 7
    key: bytes | None = b"k"


def run_of(partition: int, *records: LogRecord) -> Run:
    """Return records of a partition as the rows of a batch."""
    return Run(partition, records, sum(len(record.value or b"") for record in records))
