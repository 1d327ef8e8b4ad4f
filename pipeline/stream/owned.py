"""The partitions that this worker owns now, from their assignment over their recovery to their loss."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final
from uuid import UUID

from pipeline.stream.partition import Partition


class Owned:
    """Partitions by number. Each assignment begins anew from the changelog: after a rebalance as after a crash."""

    def __init__(self, log_id: UUID) -> None:
        self._log_id: Final = log_id
        self._partitions: dict[int, Partition] = {}
        self._restored_to: dict[int, int] = {}
        self._is_live = False

    def __iter__(self) -> Iterator[Partition]:
        """Iterate over the partitions that may be worked on: all or, before their recovery is complete, none."""
        return iter([p for p in self._partitions.values() if not p.is_lost] if self._is_live else [])

    @property
    def assignment(self) -> object:
        """What is assigned now; another object after each loss and each assignment."""
        return self._partitions

    @property
    def recovering(self) -> Collection[int]:
        """The partitions whose changelogs are being read."""
        return self._restored_to.keys()

    def assign(self, numbers: Iterable[int]) -> None:
        """Begin anew with these partitions, whose changelogs are read from the beginning from now on."""
        self.drop()
        self._partitions = {number: Partition(number, self._log_id) for number in numbers}
        self._restored_to = dict.fromkeys(self._partitions, 0)

    def restore(self, number: int, records: Sequence[Any]) -> None:
        """Take in records of the changelog of a partition that is being recovered."""
        if number not in self._restored_to:
            return
        threads = self._partitions[number].threads
        for record in records:
            if record.value is None:
                threads.pop(record.key, None)
            else:
                threads[record.key] = record.value

    def restored_to(self, number: int, offset: int) -> None:
        """Note that everything in a changelog below `offset` was handed to `restore`, and that it goes on from there.

        The offset goes back where the changelog is read a second time: until the end is reached again, states are old.
        """
        self._restored_to[number] = offset

    def is_restored(self, ends: Mapping[int, int]) -> bool:
        """Tell whether exactly these partitions are being recovered, and their changelogs were read to their ends."""
        restored = self._restored_to
        return restored.keys() == ends.keys() and all(restored[number] >= end for number, end in ends.items())

    def begin(self, committed: Mapping[int, tuple[int, str]]) -> Iterator[None]:
        """Go live at the committed offsets; the metadata of each commit is the log time there.

        Yields again and again, so that others have a turn; an assignment that comes in between ends it.
        """
        partitions = self._partitions
        self._restored_to = {}
        for number, partition in partitions.items():
            offset, metadata = committed.get(number, (0, ""))
            partition.restore(committed_offset=offset, log_time_us=int(metadata) if metadata.isdecimal() else None)
            for _ in chain(partition.take_stock(), (None,)):
                yield
                if self._partitions is not partitions:
                    return
        self._is_live = True

    def lose(self, numbers: Iterable[int]) -> None:
        """Give some partitions up that another worker has taken; all may have been given up meanwhile."""
        for number in numbers:
            if (partition := self._partitions.get(number)) is not None:
                partition.is_lost = True

    @property
    def stuck(self) -> frozenset[tuple[Partition, int]]:
        """The partitions that are assigned to this worker and not worked on: lost, or recovered up to an offset."""
        lost = {(partition, 0) for partition in self._partitions.values() if partition.is_lost}
        return frozenset(lost | {(self._partitions[number], offset) for number, offset in self._restored_to.items()})

    def live(self, number: int) -> Partition | None:
        """Return a partition that may be worked on."""
        partition = self._partitions.get(number) if self._is_live else None
        return None if partition is None or partition.is_lost else partition

    def drop(self) -> None:
        """Give all partitions up; nothing of them may be written from now on."""
        for partition in self._partitions.values():
            partition.is_lost = True
        self._partitions = {}
        self._restored_to = {}
        self._is_live = False
