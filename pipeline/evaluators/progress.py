"""Which records are in hand, and so what may be committed: up to the lowest that is not finished."""

from collections import OrderedDict

from pipeline.adapters.kafka.consumer import LogPartition


class Progress:
    """The records in hand of each partition, which may finish in any order."""

    def __init__(self) -> None:
        self._open: dict[LogPartition, OrderedDict[int, None]] = {}
        self._read: dict[LogPartition, int] = {}
        self._committed: dict[LogPartition, int] = {}
        self._in_hand = 0

    @property
    def in_hand(self) -> int:
        """How many records are begun and not finished."""
        return self._in_hand

    def begin(self, place: LogPartition, offset: int) -> None:
        """Take a record in hand; those of one partition come in the order of their offsets."""
        self._open.setdefault(place, OrderedDict())[offset] = None
        self._in_hand += 1

    def read_up_to(self, place: LogPartition, next_offset: int) -> None:
        """Note that every record below `next_offset` was taken in hand, or needs nothing done."""
        self._read[place] = next_offset

    def finish(self, place: LogPartition, offset: int) -> None:
        """Note that a record needs nothing more."""
        del self._open[place][offset]
        self._in_hand -= 1

    def committable(self) -> dict[LogPartition, int]:
        """Return the offsets that have moved since the last commit; none passes a record in hand."""
        return {
            place: offset
            for place, read in self._read.items()
            if (offset := next(iter(self._open.get(place, ())), read)) != self._committed.get(place)
        }

    def committed(self, offsets: dict[LogPartition, int]) -> None:
        """Note what was committed."""
        self._committed.update(offsets)

    def forget(self) -> None:
        """Forget everything: the partitions have gone to someone else."""
        self._open.clear()
        self._read.clear()
        self._committed.clear()
        self._in_hand = 0
