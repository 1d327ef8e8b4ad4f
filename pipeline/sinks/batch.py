"""Rows of one table, and the records that cannot be rows, with their offsets; and when it is time to write them."""

from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from pipeline.events.dead_letters import Origin
from pipeline.events.envelope import Headers
from pipeline.sinks.ranges import Covered


class Row(NamedTuple):
    """A record as a row: `line` is its value with its provenance. Key and headers are kept in case it is poison."""

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
        self.rows: Final[list[Row]] = []
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

    def add(self, row: Row, now: float) -> None:
        """Take a row; rows of one partition come in the order of their offsets."""
        self.rows.append(row)
        self._count(row.partition, row.offset, len(row.line), now)

    def refuse(self, poison: Poison, now: float) -> None:
        """Take a record that goes to the dead letters when this batch is written."""
        self.poison.append(poison)
        self._count(poison.partition, poison.offset, len(poison.value or b""), now)

    def replay(self, replay: Replay, now: float) -> None:
        """Take a dead letter that was published again."""
        self.replays.append(replay)
        self._count(replay.partition, replay.offset, len(replay.value or b""), now)

    def skip(self, skip: Skip) -> None:
        """Take offsets that hold no event; they may lie before records that it has."""
        self.skips.append(skip)
        self.firsts[skip.partition] = min(skip.offset, self.firsts.get(skip.partition, skip.offset))

    def release(self) -> None:
        """Give the memory of what is stored back; what is left to be done needs no records."""
        for kept in (self.rows, self.poison, self.replays, self.skips):
            kept.clear()
        self.bytes = 0

    @property
    def due_at(self) -> float:
        """When it should be written: at once if it is full, else when it is old, or nothing more comes."""
        if self.is_full:
            return self._opened_at
        return min(self._opened_at + self._limits.age_seconds_max, self._touched_at + self._limits.idle_seconds_max)

    def _count(self, partition: int, offset: int, size_bytes: int, now: float) -> None:
        self._touched_at = now
        self.records += 1
        self.bytes += size_bytes
        if self.records >= self._limits.rows_max or self.bytes >= self._limits.bytes_max:
            self.is_full = True
        if partition not in self.firsts:
            self.firsts[partition] = offset
