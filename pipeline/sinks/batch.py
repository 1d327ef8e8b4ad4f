"""Rows of one table, and the records that cannot be rows, with their offsets; and when it is time to write them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple
from uuid import UUID

from pipeline.adapters.kafka.consumer import LogRecord
from pipeline.events.dead_letters import Origin
from pipeline.events.envelope import Headers
from pipeline.sinks.ranges import Covered, RowPlaces
from pipeline.sinks.splice import head_of, splice, spliced

IDLE_SHARE: Final = 4
"""How many times as long as the last write took a batch waits for more, where nothing seems to come: inserts and folds
cost storage much the same for few rows as for thousands, and make parts that have to be merged."""
AGE_TIMES_MAX: Final = 3
"""Under load a batch gathers for as long as the last write took, but no longer than so many times its limit: the last
write may have waited for hours until storage came back."""


class Run(NamedTuple):
    """Records of one partition, in the order of their offsets, whose values are rows but for their provenance.

    They are kept as they were read: what is done for each record is most of what the sink costs.
    """

    partition: int
    records: Sequence[LogRecord]
    bytes: int


class Row(NamedTuple):
    """A record as a row by itself, where it cannot be stored with others as a run.

    `line` is its value with its provenance. Key and headers are kept in case it is poison.
    """

    line: bytes
    partition: int
    offset: int
    appended_at_ms: int
    key: bytes | None
    headers: Headers


class Replay(NamedTuple):
    """A dead letter that was published again, as it stands now but without the header that says where it stood first.

    It becomes the row that it would have been there, so that a second replay changes nothing.
    """

    origin: Origin
    partition: int
    offset: int
    appended_at_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Skip(NamedTuple):
    """Offsets that hold no event, `next_offset` excluded: markers of transactions, and what was rolled back."""

    partition: int
    offset: int
    next_offset: int


class Poison(NamedTuple):
    """A record that can never be a row, as it stood, and why; `code` is ClickHouse's, 0 if it gave none.

    Of a replayed record `origin` is where it stood first, so that refusing it again gives the same dead letter.
    """

    partition: int
    offset: int
    appended_at_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    code: int
    reason: str
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch is due."""

    rows_max: int
    bytes_max: int
    age_seconds_max: float
    idle_seconds_max: float


class Batch:
    """Records of one topic for one table, in the order in which they were read. Times are monotonic seconds."""

    def __init__(self, topic: str, log_id: UUID, limits: Limits, now: float) -> None:
        self.topic: Final = topic
        self.log_id: Final = log_id
        self.runs: Final[list[Run]] = []
        self.poison: Final[list[Poison]] = []
        self.replays: Final[list[Replay]] = []
        self.skips: Final[list[Skip]] = []
        self.own: Covered | None = None
        """What its own rows cover, once they are inserted."""
        self.replayed: Final[list[Covered]] = []
        """What its replays cover where they stood first, once they are inserted."""
        self.firsts: Final[dict[int, int]] = {}
        """The smallest offset of each partition: nothing from here on may be committed before this is written."""
        self.bytes = 0
        self.records = 0
        self.is_full = False
        """Whether nothing more should be added."""
        self._limits: Final = limits
        self._opened_at: Final = now
        self._touched_at = now

    def room(self, sizes: Sequence[int]) -> int:
        """Return with how many of the rows of these sizes it is full, or that all of them fit; a full one takes all."""
        rows_left, bytes_left = self._limits.rows_max - self.records, self._limits.bytes_max - self.bytes
        if self.is_full or (len(sizes) < rows_left and sum(sizes) < bytes_left):
            return len(sizes)
        totals = enumerate(accumulate(sizes), 1)
        return next((rows for rows, total in totals if rows >= rows_left or total >= bytes_left), len(sizes))

    def add(self, run: Run, now: float) -> None:
        """Take rows; those of one partition come in the order of their offsets."""
        self.runs.append(run)
        self._count(run.partition, run.records[0].offset, len(run.records), run.bytes, now)

    def refuse(self, poison: Poison, now: float) -> None:
        """Take a record that goes to the dead letters when this batch is written."""
        self.poison.append(poison)
        self._count(poison.partition, poison.offset, 1, len(poison.value or b""), now)

    def replay(self, replay: Replay, now: float) -> None:
        """Take a dead letter that was published again."""
        self.replays.append(replay)
        self._count(replay.partition, replay.offset, 1, len(replay.value or b""), now)

    def skip(self, skip: Skip) -> None:
        """Take offsets that hold no event; they may lie before records that it has."""
        self.skips.append(skip)
        self.firsts[skip.partition] = min(skip.offset, self.firsts.get(skip.partition, skip.offset))

    def covered(self) -> Covered:
        """Return what its own rows, at least one, cover."""
        places = RowPlaces()
        for run in self.runs:
            places.add(run.partition, [record.offset for record in run.records])
        appended_at = [record.timestamp for run in self.runs for record in run.records]
        first_ms, last_ms = min(appended_at), max(appended_at)
        return Covered(self.log_id, self.topic, places.spans(), len(appended_at), first_ms, last_ms, places.name())

    def rows(self) -> list[Row]:
        """Return its own rows one by one."""
        return [
            Row(
                splice(head, record.offset, record.timestamp, record.value),
                run.partition,
                record.offset,
                record.timestamp,
                record.key,
                tuple(record.headers),
            )
            for run in self.runs
            for head in [head_of(self.log_id, run.partition)]
            for record in run.records
        ]

    def release(self) -> None:
        """Give the memory of what is stored back; what is left to be done needs no records."""
        for kept in (self.runs, self.poison, self.replays, self.skips):
            kept.clear()
        self.bytes = 0

    def due_at(self, *, write_seconds: float = 0.0) -> float:
        """Return when it should be written: at once if it is full, else when it is old, or nothing more comes.

        Nothing more came when it was not added to for as long as the limits say; it is old when it has been open for as
        long as they say. `write_seconds` is how long the last write took: where storage is slow, both take longer.
        """
        if self.is_full:
            return self._opened_at
        idle_seconds = max(self._limits.idle_seconds_max, IDLE_SHARE * write_seconds)
        age_seconds = self._limits.age_seconds_max
        age_seconds = min(max(age_seconds, write_seconds), AGE_TIMES_MAX * age_seconds)
        return min(self._opened_at + age_seconds, self._touched_at + idle_seconds)

    def _count(self, partition: int, offset: int, records: int, size_bytes: int, now: float) -> None:
        self._touched_at = now
        self.records += records
        self.bytes += size_bytes
        if self.records >= self._limits.rows_max or self.bytes >= self._limits.bytes_max:
            self.is_full = True
        self.firsts[partition] = min(offset, self.firsts.get(partition, offset))


class Lines:
    """The own rows of a batch in pieces of whole lines, made as one goes through them, each time anew."""

    def __init__(self, batch: Batch) -> None:
        self._batch: Final = batch

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces."""
        for run in self._batch.runs:
            yield from spliced(self._batch.log_id, run.partition, run.records, run.bytes)


def joined(rows: Sequence[Row]) -> bytes:
    """Return rows that stand by themselves as lines."""
    return b"\n".join([row.line for row in rows])
