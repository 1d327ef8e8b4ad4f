"""How far each partition has been read and stored, and so what may be committed."""

from collections.abc import Iterable

from pipeline.adapters.kafka.consumer import LogPartition
from pipeline.sinks.batch import Batch


class Progress:
    """The next offsets to read, and those committed; a commit never passes a record that is not yet stored."""

    def __init__(self) -> None:
        self._read: dict[LogPartition, int] = {}
        self._committed: dict[LogPartition, int] = {}

    def read_up_to(self, place: LogPartition, next_offset: int) -> None:
        """Note that every record below `next_offset` was put into a batch."""
        self._read[place] = next_offset

    def committable(self, outstanding: Iterable[Batch]) -> dict[LogPartition, int]:
        """Return the offsets that have moved since the last commit and lie below all of `outstanding`."""
        offsets = dict(self._read)
        for batch in outstanding:
            for partition, first in batch.firsts.items():
                place = LogPartition(batch.topic, partition)
                offsets[place] = min(offsets[place], first)
        return {place: offset for place, offset in offsets.items() if offset != self._committed.get(place)}

    def committed(self, offsets: dict[LogPartition, int]) -> None:
        """Note what was committed."""
        self._committed.update(offsets)

    def forget(self) -> None:
        """Forget everything: the partitions have gone to someone else."""
        self._read.clear()
        self._committed.clear()
