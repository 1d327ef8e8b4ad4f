"""What was accepted into each log, and what became of it.

    accepted = controls + stored + dead-lettered + dropped + deleted + pending + gap

Records are counted, not offsets: the offsets that hold no event, which the sink notes, are taken off. Each record
counts once, under the first of these that knows its place in the log: the table of its events, the controls, the places
that were deleted on purpose, the dead letters. Only what lies below the sinks' committed offset is looked up, so that a
row which is inserted but not yet committed counts once, as pending. A gap other than 0 is a loss, or a row that should
not be there.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final
from uuid import UUID

import msgspec

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.kafka.admin import read_log_ids
from pipeline.adapters.kafka.offsets import Bounds, read_bounds
from pipeline.adapters.kafka.reader import read_to_end
from pipeline.events.dead_letters import DeadLetter
from pipeline.settings import KafkaSettings
from pipeline.sinks.retention_sql import MONTHS, aside
from pipeline.sinks.routes import Router
from pipeline.topics import DEAD_LETTERS, SINKS_GROUP, STORED, Topic

_LETTERS_MAX: Final = 2000
"""Dead letters on their way into storage that are looked at: their places are named one by one."""
_LETTERS: Final = msgspec.json.Decoder(DeadLetter)

# Arrays in ClickHouse begin at 1, partitions at 0. A bitmap of offsets, which follow one another, takes little memory.
_TERMS: Final = """
WITH
    {begins:Array(UInt64)} AS begins, {ends:Array(UInt64)} AS ends,
    groupBitmapStateIf(offset, source = 'stored') AS stored_at,
    groupBitmapStateIf(offset, source = 'control') AS control_at,
    groupBitmapStateIf(offset, source = 'deleted') AS deleted_at,
    groupBitmapStateIf(offset, source = 'letter') AS letter_at,
    groupBitmapStateIf(offset, source = 'skipped') AS skipped_at,
    bitmapOr(stored_at, control_at) AS kept_at,
    bitmapOr(kept_at, deleted_at) AS kept_or_deleted_at,
    bitmapOr(kept_or_deleted_at, letter_at) AS known_at
SELECT
    partition,
    bitmapCardinality(stored_at) AS stored,
    bitmapAndnotCardinality(control_at, stored_at) AS controls,
    bitmapAndnotCardinality(deleted_at, kept_at) AS deleted,
    bitmapAndnotCardinality(letter_at, kept_or_deleted_at) AS dead_lettered,
    bitmapAndnotCardinality(skipped_at, known_at) AS skipped
FROM (
    SELECT 'stored' AS source, toUInt32(log_partition) AS partition, toUInt64(log_offset) AS offset
    FROM __TABLE__ WHERE log_id = {log:UUID}
    __ASIDE__
    UNION ALL
    SELECT 'control', log_partition, log_offset FROM controls WHERE log_id = {log:UUID}
    UNION ALL
    SELECT 'deleted', log_partition, log_offset FROM deleted_places WHERE log_id = {log:UUID}
    UNION ALL
    SELECT 'letter', toUInt32(assumeNotNull(origin_partition)), toUInt64(assumeNotNull(origin_offset))
    FROM dead_letters WHERE origin_log_id = {log:UUID} AND isNotNull(origin_offset)
    UNION ALL
    SELECT 'letter', place.1, place.2
    FROM (SELECT arrayJoin(arrayZip({letter_partitions:Array(UInt32)}, {letter_offsets:Array(UInt64)})) AS place)
    UNION ALL
    SELECT 'skipped', log_partition, arrayJoin(range(
        greatest(log_offset, begins[log_partition + 1]), least(next_offset, ends[log_partition + 1])
    ))
    FROM skipped_offsets
    WHERE log_id = {log:UUID} AND log_offset < ends[log_partition + 1] AND next_offset > begins[log_partition + 1]
)
WHERE offset >= begins[partition + 1] AND offset < ends[partition + 1]
GROUP BY partition"""
# What is past its retention goes from its table to this one, and then its place is among the deleted ones. It is looked
# for in this order, so that it is not missed on its way.
_ASIDE: Final = """UNION ALL
    SELECT 'deleted', log_partition, log_offset FROM __TABLE__ WHERE log_id = {log:UUID}"""


@dataclass(frozen=True, slots=True)
class Balance:
    """The terms of one topic, or of one of its partitions, in records."""

    topic: str
    accepted: int
    controls: int
    stored: int
    dead_lettered: int
    dropped: int
    deleted: int
    pending: int
    partition: int | None = None

    @property
    def gap(self) -> int:
        """What is unaccounted for: 0, or something was lost or stored that never came in."""
        settled = self.controls + self.stored + self.dead_lettered + self.dropped + self.deleted
        return self.accepted - settled - self.pending

    def terms(self) -> dict[str, int]:
        """Return the numbers by name, the gap last."""
        return {name: getattr(self, name) for name in TERMS} | {"gap": self.gap}


TERMS: Final = tuple(field.name for field in fields(Balance) if field.name not in {"topic", "partition"})

Places = Mapping[UUID, Sequence[tuple[int, int]]]
"""Partitions and offsets, by log."""


async def balance_all(kafka: KafkaSettings, client: ClickHouse) -> list[Balance]:
    """Return the balance of every stored topic, at about this moment.

    Raises SchemaMismatch where a topic is missing, BrokerUnavailable and StorageUnavailable.
    """
    return [total(partitions) for partitions in await balance_partitions(kafka, client)]


async def balance_partitions(kafka: KafkaSettings, client: ClickHouse) -> list[list[Balance]]:
    """Return the balance of every partition, topic by topic; raises as `balance_all`."""
    bounds = await read_bounds(kafka, STORED, SINKS_GROUP)
    log_ids = await read_log_ids(kafka)
    letters = await _letters_under_way(kafka, bounds[DEAD_LETTERS.name])
    return [await balances(client, topic, log_ids[topic.name], bounds[topic.name], letters) for topic in STORED]


def total(partitions: Sequence[Balance]) -> Balance:
    """Return the balance of a topic from those of its partitions."""
    sums = {name: sum(getattr(balance, name) for balance in partitions) for name in TERMS}
    return Balance(topic=partitions[0].topic, **sums)


async def balances(
    client: ClickHouse, topic: Topic, log_id: UUID, bounds: Sequence[Bounds], letters: Places
) -> list[Balance]:
    """Return the balance of the partitions of a topic, in their order; `letters` are under way into storage.

    Raises StorageUnavailable.
    """
    under_way = letters.get(log_id, ())
    rows = await client.rows(
        _terms(topic),
        {
            "log": log_id,
            "begins": [bound.begin for bound in bounds],
            "ends": [bound.committed for bound in bounds],
            "letter_partitions": [partition for partition, _ in under_way],
            "letter_offsets": [offset for _, offset in under_way],
        },
    )
    found = {row["partition"]: row for row in rows}
    return [_balance(topic, number, bound, found.get(number, {})) for number, bound in enumerate(bounds)]


def _terms(topic: Topic) -> str:
    table = Router(topic.name).events.name
    has_months = any(months.name == table for months in MONTHS)
    expiring = _ASIDE.replace("__TABLE__", aside(table)) if has_months else ""
    return _TERMS.replace("__ASIDE__", expiring).replace("__TABLE__", table)


def _balance(topic: Topic, partition: int, bound: Bounds, counts: Mapping[str, int]) -> Balance:
    return Balance(
        topic=topic.name,
        accepted=bound.end - bound.begin - counts.get("skipped", 0),
        controls=counts.get("controls", 0),
        stored=counts.get("stored", 0),
        dead_lettered=counts.get("dead_lettered", 0),
        dropped=0,
        deleted=counts.get("deleted", 0),
        pending=bound.end - bound.committed,
        partition=partition,
    )


async def _letters_under_way(kafka: KafkaSettings, bounds: Sequence[Bounds]) -> Places:
    """Return where the dead letters stood that are in Kafka, but not in storage yet.

    They were published before the offsets of what they hold were committed.
    """
    found: defaultdict[UUID, list[tuple[int, int]]] = defaultdict(list)
    if all(bound.committed >= bound.end for bound in bounds):
        return found
    starts = {number: bound.committed for number, bound in enumerate(bounds)}
    async for _, records in read_to_end(kafka, DEAD_LETTERS, starts=starts):
        for log_id, place in _places(record.value for record in records):
            if sum(map(len, found.values())) < _LETTERS_MAX:
                found[log_id].append(place)
    return found


def _places(values: Iterable[bytes | None]) -> Iterable[tuple[UUID, tuple[int, int]]]:
    for value in values:
        try:
            letter = _LETTERS.decode(value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # a letter that is poison itself: it becomes one, with a place in `dead-letters`
        if letter.origin_log_id and letter.origin_partition is not None and letter.origin_offset is not None:
            yield letter.origin_log_id, (letter.origin_partition, letter.origin_offset)
