"""The partitions that this worker owns now, from their assignment over their recovery to their loss."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from pipeline.stream.partition import Partition


class Owned:
    """Partitions by number. Each assignment begins anew from the changelog: after a rebalance as after a crash."""

    def __init__(self, log_id: UUID) -> None:
        self._log_id: Final = log_id
        self._partitions: dict[int, Partition] = {}
        self._is_live = False

    def __iter__(self) -> Iterator[Partition]:
        """Iterate over the partitions that may be worked on: all or, before their recovery is complete, none."""
        return iter([p for p in self._partitions.values() if not p.is_lost] if self._is_live else [])

    def assign(self, numbers: Iterable[int]) -> None:
        """Begin anew with these partitions."""
        self.drop()
        self._partitions = {number: Partition(number, self._log_id) for number in numbers}

    def restore(self, number: int, records: Sequence[Any]) -> None:
        """Take in records of the changelog of a partition that is being recovered."""
        partition = self._partitions.get(number)
        if partition is None or self._is_live:
            return
        threads = partition.threads
        for record in records:
            if record.value is None:
                threads.pop(record.key, None)
            else:
                threads[record.key] = record.value

    def begin(self, committed: Mapping[int, tuple[int, str]]) -> Iterator[None]:
        """Go live at the committed offsets; the metadata of each commit is the log time there.

        Yields after each partition, so that others have a turn; an assignment that comes in between ends it.
        """
        partitions = self._partitions
        for number, partition in partitions.items():
            offset, metadata = committed.get(number, (0, ""))
            partition.restore(committed_offset=offset, log_time_us=int(metadata) if metadata.isdecimal() else None)
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
    def orphans(self) -> frozenset[Partition]:
        """The partitions that are assigned to this worker, and lost."""
        return frozenset(partition for partition in self._partitions.values() if partition.is_lost)

    def live(self, number: int) -> Partition | None:
        """Return a partition that may be worked on."""
        partition = self._partitions.get(number) if self._is_live else None
        return None if partition is None or partition.is_lost else partition

    def drop(self) -> None:
        """Give all partitions up; nothing of them may be written from now on."""
        for partition in self._partitions.values():
            partition.is_lost = True
        self._partitions = {}
        self._is_live = False
