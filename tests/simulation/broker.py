"""Kafka as far as the stage can tell: partitions, offsets, transactions, compaction. It knows no faults of its own.

What is modelled is what Apache Kafka promises: a log per partition, stamped by the broker; records of a transaction
that are seen when it is committed, up to the first that is still open; an epoch per transactional id; and compaction
that keeps the last value of each key, and offsets as they were.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from pipeline.adapters.kafka.partitioner import partition_of
from pipeline.events.envelope import Headers, Record
from pipeline.stream.table import CHANGELOG
from pipeline.topics import TRACES, Topic
from tests.unit.stream.logs import START_MS

NOT_COMPACTED: Final = 3
"""So many records at the end stand in the active segment."""


class Stored(NamedTuple):
    """A record as a consumer returns it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(slots=True)
class Transaction:
    """Whether what stands in it counts."""

    state: Literal["open", "committed", "aborted"] = "open"


@dataclass(slots=True)
class Entry:
    """One place of a log: a record, or the marker (None) that ends a transaction; `is_copy` where it was sent twice."""

    offset: int
    record: Stored | None
    transaction: Transaction | None = None
    writer: str = ""
    is_copy: bool = False


@dataclass
class PartitionLog:
    """One partition of a topic."""

    entries: list[Entry] = field(default_factory=list)
    end: int = 0
    skew_ms: int = 0
    """How far the clock of its leader is off."""

    def append(self, record: Record | None, now_ms: int, **about: object) -> None:
        stored = record and Stored(self.end, now_ms + self.skew_ms, record.key, record.value, record.headers)
        self.entries.append(Entry(self.end, stored, **about))  # type: ignore[arg-type]
        self.end += 1

    @property
    def stable_end(self) -> int:
        """Where those who read only what is committed come to a halt."""
        for entry in self.entries:
            if entry.transaction is not None and entry.transaction.state == "open":
                return entry.offset
        return self.end

    def read(self, position: int, records_max: int) -> tuple[list[Stored], int]:
        """Return committed records from `position` on, and where to read next."""
        found: list[Stored] = []
        stable_end = self.stable_end
        for entry in self.entries[bisect_left(self.entries, position, key=lambda one: one.offset) :]:
            if entry.offset >= stable_end or len(found) == records_max:
                return found, entry.offset
            if _counts(entry) and entry.record is not None:
                found.append(entry.record)
        return found, max(position, stable_end)

    def compact(self, *, forgets_deleted: bool) -> None:
        """Keep the latest of each key; where `forgets_deleted`, not even that a value was deleted."""
        last = {entry.record.key: entry.offset for entry in self.entries if entry.record and _counts(entry)}
        border = min(self.stable_end, self.end - NOT_COMPACTED)

        def is_kept(entry: Entry) -> bool:
            if entry.offset >= border:
                return True
            record = entry.record
            if record is None or not _counts(entry) or last[record.key] != entry.offset:
                return False
            return record.value is not None or not forgets_deleted

        self.entries = [entry for entry in self.entries if is_kept(entry)]


class Outdated(Exception):
    """The transactional id was taken by another."""


class Broker:
    """The one broker of a simulation; while it is not there, it forgets nothing, and nobody answers."""

    def __init__(self, now: Callable[[], float], *, partitions: int) -> None:
        self._now: Final = now
        self.partitions: Final = partitions
        self.logs: Final[dict[tuple[str, int], PartitionLog]] = {}
        self.committed: Final[dict[int, tuple[int, str]]] = {}
        self.is_there: Final = asyncio.Event()
        self.is_there.set()
        self._epochs: Final[dict[int, int]] = {}
        self._open: Final[dict[int, Transaction]] = {}

    def log(self, topic: str, number: int) -> PartitionLog:
        return self.logs.setdefault((topic, number), PartitionLog())

    def log_of_threads(self, number: int) -> list[Stored]:
        """Return all records of one input partition; its offsets have no gaps."""
        return [entry.record for entry in self.log(TRACES.name, number).entries if entry.record is not None]

    @property
    def now_ms(self) -> int:
        return START_MS + round(self._now() * 1000)

    def produce(self, topic: Topic, records: Sequence[Record], *, writer: str = "", is_copy: bool = False) -> None:
        """Append records."""
        for record in in_fixed_order(topic, records):
            number = record.partition
            if number is None:
                number = partition_of(record.key or b"", self.partitions)
            self.log(topic.name, number).append(record, self.now_ms, writer=writer, is_copy=is_copy)

    def take(self, number: int) -> int:
        """Give the transactional id of a partition to whoever asks last; what was left open is void."""
        self._end(number, "aborted")
        self._epochs[number] = self._epochs.get(number, 0) + 1
        return self._epochs[number]

    def produce_in_transaction(self, number: int, epoch: int, topic: Topic, records: Sequence[Record]) -> None:
        """Append records that do not count yet; raises Outdated."""
        self._check(number, epoch)
        transaction = self._open.setdefault(number, Transaction())
        for record in in_fixed_order(topic, records):
            self.log(topic.name, number).append(record, self.now_ms, transaction=transaction)

    def commit_transaction(self, number: int, epoch: int) -> None:
        """Let them count; raises Outdated."""
        self._check(number, epoch)
        self._end(number, "committed")

    def _check(self, number: int, epoch: int) -> None:
        if epoch != self._epochs[number]:
            raise Outdated

    def _end(self, number: int, state: Literal["committed", "aborted"]) -> None:
        transaction = self._open.pop(number, None)
        if transaction is not None:
            transaction.state = state
            self.log(CHANGELOG.name, number).append(None, self.now_ms)


def in_fixed_order(topic: Topic, records: Sequence[Record]) -> Sequence[Record]:
    """Return what is written at once to the changelog by key: it comes from a set, whose order differs by process."""
    return sorted(records, key=lambda record: record.key or b"") if topic is CHANGELOG else records


def _counts(entry: Entry) -> bool:
    return entry.transaction is None or entry.transaction.state == "committed"
