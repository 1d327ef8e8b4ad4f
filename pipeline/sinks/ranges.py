"""Which records of a log a batch of rows covers, and how SQL finds those rows again."""

import hashlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol
from uuid import UUID

PLAN_VERSION: Final = 1
"""Raised when the rows made from the same records change: an old token would let ClickHouse discard the new rows."""

COVERED_SQL: Final = """log_id = {log_id:UUID}
    AND appended_at_ms BETWEEN {appended_from_ms:Int64} AND {appended_to_ms:Int64}
    AND log_offset >= transform(log_partition, {partitions:Array(UInt32)}, {firsts:Array(UInt64)}, toUInt64(-1))
    AND log_offset <= transform(log_partition, {partitions:Array(UInt32)}, {lasts:Array(UInt64)}, toUInt64(0))"""
"""True for the rows that `Covered.parameters` describes.

The append times say little, but minmax indices on them leave only the newest granules to read: offsets of different
partitions are no measure of age.
"""


def covered_sql(prefix: str) -> str:
    """Return COVERED_SQL with names of its own: `prefix` and those of `Covered.parameters`."""
    return COVERED_SQL.replace("{", "{" + prefix)


class Span(NamedTuple):
    """The offsets of one partition, both ends included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Covered:
    """Records of one log: the offsets of each partition, how many of them are rows, and when they were appended.

    `places` names the rows (`RowPlaces`): others may be left out between the same ends. It is empty where rows are only
    to be found.
    """

    log_id: UUID
    topic: str
    offsets: Mapping[int, Span]
    rows: int
    appended_from_ms: int
    appended_to_ms: int
    places: str = ""

    def parameters(self, prefix: str = "") -> dict[str, object]:
        """Return what COVERED_SQL binds, or `covered_sql` of the same `prefix`."""
        named = {
            "log_id": self.log_id,
            "appended_from_ms": self.appended_from_ms,
            "appended_to_ms": self.appended_to_ms,
            "partitions": list(self.offsets),
            "firsts": [span.first for span in self.offsets.values()],
            "lasts": [span.last for span in self.offsets.values()],
        }
        return {prefix + name: value for name, value in named.items()}

    def token(self, table: str, run: str = "") -> str:
        """Return the deduplication token of inserting exactly these rows into `table`.

        With `run` it is that of one run among others which insert the same rows, each for a reason of its own. Raises
        ValueError where the rows are not named.
        """
        if not self.places:
            raise ValueError("nothing says which rows these are: they have no token")
        text = f"{PLAN_VERSION}|{self.log_id}|{self.topic}|{table}|{self.places}|{run}"
        return hashlib.sha256(text.encode()).hexdigest()


class RowPlaces:
    """The places of rows, collected for the name that these rows and no others have."""

    def __init__(self) -> None:
        self._offsets: Final[dict[int, array[int]]] = {}

    def add(self, partition: int, offsets: Iterable[int]) -> None:
        """Take rows of a partition; they come in the order of their offsets."""
        self._offsets.setdefault(partition, array("Q")).extend(offsets)

    def name(self) -> str:
        """Return the name, the same in whatever order the partitions came, and in whatever pieces."""
        digest = hashlib.sha256()
        for partition, offsets in sorted(self._offsets.items()):
            digest.update(b"%d:%d:" % (partition, len(offsets)))
            digest.update(offsets)
        return digest.hexdigest()

    def spans(self) -> dict[int, Span]:
        """Return the first and the last offset of each partition."""
        return {partition: Span(offsets[0], offsets[-1]) for partition, offsets in self._offsets.items()}


class Placed(Protocol):
    """Anything that stands in a log."""

    @property
    def partition(self) -> int:
        """The partition."""

    @property
    def offset(self) -> int:
        """The offset in it."""

    @property
    def appended_at_ms(self) -> int:
        """When the broker appended it, in milliseconds since 1970 UTC."""


def covering(log_id: UUID, topic: str, records: Sequence[Placed]) -> Covered:
    """Return what `records`, at least one, cover; those of one partition come in the order of their offsets."""
    places = RowPlaces()
    for record in records:
        places.add(record.partition, (record.offset,))
    times = [record.appended_at_ms for record in records]
    return Covered(log_id, topic, places.spans(), len(records), min(times), max(times), places.name())


def together(parts: Sequence[Covered]) -> Covered:
    """Return what `parts`, at least one, all of one topic and log, cover together.

    Between the offsets of two parts it may cover others, so it is good for finding rows, and has no token.
    """
    offsets: dict[int, Span] = {}
    for part in parts:
        for partition, span in part.offsets.items():
            known = offsets.get(partition, span)
            offsets[partition] = Span(min(known.first, span.first), max(known.last, span.last))
    return Covered(
        parts[0].log_id,
        parts[0].topic,
        offsets,
        sum(part.rows for part in parts),
        min(part.appended_from_ms for part in parts),
        max(part.appended_to_ms for part in parts),
    )
