"""Records packed into Kafka's record batches, many at once."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from pipeline.events.envelope import Record


class BatchMaker(Protocol):
    """The part of a Kafka producer that makes empty batches."""

    def create_batch(self) -> Any:
        """Return an empty batch builder."""


def pack(maker: BatchMaker, records: Sequence[Record], *, last_record_alone: bool) -> Iterator[Any]:
    """Yield closed batches that hold `records` in order, as few as the batch size allows.

    `last_record_alone` puts the last record into a batch of its own, for a broker that takes the base offset of the
    last batch for the end of the log.
    """
    groups = (records[:-1], records[-1:]) if last_record_alone else (records,)
    for group in groups:
        builder = maker.create_batch()
        for record in group:
            if _append(builder, record):
                continue
            yield builder
            builder = maker.create_batch()
            if not _append(builder, record):
                raise AssertionError("an empty batch takes a record of any size")
        if builder.record_count():
            builder.close()
            yield builder


def _append(builder: Any, record: Record) -> bool:
    """Append one record; a builder that is full closes itself and says None."""
    appended = builder.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
    return appended is not None
