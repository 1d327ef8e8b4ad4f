"""`threadline replay`: store a range of a topic once more, as the sinks do, without a word to their group.

A row is known by its place in the log, so that what is there already collapses and what is missing is there again: no
replay takes its rows for those that were inserted before. The folded tables follow from the events. Records that are
poison become the dead letters that they were. What was deleted on purpose stays deleted.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime
from itertools import groupby
from typing import Final, NamedTuple
from uuid import UUID

from pipeline.adapters.clickhouse.client import ClickHouse, new_token
from pipeline.adapters.clock import Clock, SystemClock
from pipeline.adapters.kafka.admin import read_log_ids
from pipeline.adapters.kafka.consumer import Fetched, LogPartition, LogRecord
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.reader import offsets_at, read_to_end
from pipeline.errors import Malformed
from pipeline.events.dead_letters import Origin
from pipeline.events.envelope import HEADER_REPLAYED_FROM
from pipeline.settings import Settings
from pipeline.sinks.batch import Batch, Limits
from pipeline.sinks.fold import FOLDS
from pipeline.sinks.intake import Intake
from pipeline.sinks.lane import Fold, Lane
from pipeline.sinks.routes import TABLES, Table
from pipeline.sinks.thread_pass import ThreadFolder
from pipeline.sinks.writer import Writer
from pipeline.topics import STORED, Topic

_CLIENT_ID: Final = "threadline-replay"
_TOPICS: Final = {topic.name: topic for topic in STORED}
_DELETED: Final = """
SELECT log_offset FROM deleted_places
WHERE log_id = {log:UUID} AND log_partition = {partition:UInt32}
  AND log_offset BETWEEN {first:UInt64} AND {last:UInt64}"""

Deleted = Callable[[UUID, int, int, int], Awaitable[set[int]]]
"""Returns, of a log and a partition, which offsets from one up to another were deleted on purpose."""


class Bound(NamedTuple):
    """Where a range begins or ends: an offset, or a time of appending in milliseconds since 1970 UTC; or neither."""

    offset: int | None = None
    at_ms: int | None = None


def run(settings: Settings, topic: str, begin: str | None, end: str | None, *, as_json: bool) -> None:
    """Replay and print how many records there were; raises Malformed where topic, begin or end say nothing."""
    if topic not in _TOPICS:
        raise Malformed(f"no topic {topic!r}; there are {', '.join(_TOPICS)}")
    records, deleted = asyncio.run(_connected(settings, _TOPICS[topic], begin, end))
    document = {"topic": topic, "records": records, "deleted": deleted}
    print(json.dumps(document) if as_json else f"{records:,} records; {deleted:,} were deleted on purpose")  # noqa: T201


async def replay(
    settings: Settings, client: ClickHouse, clock: Clock, topic: Topic, begin: str | None, end: str | None
) -> tuple[int, int]:
    """Store the records from `begin` to before `end` once more; return how many, and how many were left deleted.

    Each is an offset, which holds for every partition, or a time (ISO 8601, UTC where it names no zone) of appending;
    without it the topic's own. Raises what the sinks stop for, BrokerUnavailable, and NewerSchema for records of a
    version to come.
    """
    log_id = (await read_log_ids(settings.kafka))[topic.name]
    first, last = _bound(begin), _bound(end)
    starts = await offsets_at(settings.kafka, topic, at_ms=first.at_ms, offset=first.offset)
    ends = {} if last.offset is None else await offsets_at(settings.kafka, topic, offset=last.offset)
    count = left_out = 0

    async def deleted(log: UUID, number: int, first_offset: int, last_offset: int) -> set[int]:
        span = {"log": log, "partition": number, "first": first_offset, "last": last_offset}
        return {row["log_offset"] for row in await client.rows(_DELETED, span)}

    async with (
        _lanes(settings, client, clock) as lanes,
        aclosing(read_to_end(settings.kafka, topic, starts=starts, ends=ends)) as polls,
    ):
        intake = _intake(settings, clock, lanes, log_id)
        async for partition, records in polls:
            within = [record for record in records if _is_within(record, first, last)]
            wanted = await not_deleted(deleted, log_id, partition, within)
            left_out += len(within) - len(wanted)
            if wanted:
                _take(intake, LogPartition(topic.name, partition), wanted)
                count += len(wanted)
                await _write(lanes.values(), only_full=True)
        await _write(lanes.values(), only_full=False)
    return count, left_out


async def not_deleted(
    deleted: Deleted, log_id: UUID, partition: int, records: Sequence[LogRecord]
) -> Sequence[LogRecord]:
    """Leave out what was deleted on purpose, where it stood first if it is a dead letter that was published again."""
    if not records:
        return records
    places = [_origin_of(record) or (log_id, partition, record.offset) for record in records]
    by_partition: dict[tuple[UUID, int], list[int]] = {}
    for log, number, offset in places:
        by_partition.setdefault((log, number), []).append(offset)
    gone: set[tuple[UUID, int, int]] = set()
    for (log, number), offsets in by_partition.items():
        gone |= {(log, number, offset) for offset in await deleted(log, number, min(offsets), max(offsets))}
    return [record for record, place in zip(records, places, strict=True) if place not in gone]


def _origin_of(record: LogRecord) -> tuple[UUID, int, int] | None:
    for name, value in record.headers:
        if name == HEADER_REPLAYED_FROM:
            with suppress(ValueError):  # it names no place: it becomes the dead letter that it was
                return Origin.of_header(value)[:3]
    return None


def without_gaps(records: Iterable[LogRecord]) -> Iterator[Fetched]:
    """Yield `records` as if each run of offsets had been fetched by itself.

    What lies between them was left out, or holds no event; only the sinks know which, and note it. Noted here, a record
    that was left out would never be missed.
    """
    for _, run in groupby(enumerate(records), lambda numbered: numbered[1].offset - numbered[0]):
        together = [record for _, record in run]
        yield Fetched(together, together[0].offset, together[-1].offset + 1)


def _take(intake: Intake, place: LogPartition, records: Sequence[LogRecord]) -> None:
    for fetched in without_gaps(records):
        taken = intake.take(place, fetched)
        if taken.newer is not None:
            raise taken.newer


def _is_within(record: LogRecord, first: Bound, last: Bound) -> bool:
    """Look at each record's own time too: the embedded broker finds no offset by time, and names its first one."""
    if first.at_ms is not None and record.timestamp < first.at_ms:
        return False
    if last.at_ms is not None and record.timestamp >= last.at_ms:
        return False
    return last.offset is None or record.offset < last.offset


async def _write(lanes: Iterable[Lane], *, only_full: bool) -> None:
    """Write what is full, or everything, to its end."""
    for lane in lanes:
        while lane.tasks or (lane.filling is not None and (lane.filling.is_full or not only_full)):
            if lane.can_write and lane.filling is not None and (lane.filling.is_full or not only_full):
                lane.write()
            await asyncio.wait(lane.tasks, return_when=asyncio.FIRST_COMPLETED)
            lane.finish()


def _intake(settings: Settings, clock: Clock, lanes: Mapping[Table, Lane], log_id: UUID) -> Intake:
    limits = Limits(settings.sinks.batch_rows_max, settings.sinks.batch_bytes_max, float("inf"), float("inf"))
    return Intake(lanes, limits, clock, lambda _: log_id)


@asynccontextmanager
async def _lanes(settings: Settings, client: ClickHouse, clock: Clock) -> AsyncIterator[Mapping[Table, Lane]]:
    async with EventProducer(settings.kafka, client_id=_CLIENT_ID) as producer:
        run = new_token()
        writers = {table: Writer(table, client, producer, clock, settings.sinks, run=run) for table in TABLES}
        rows_max = settings.sinks.fold_rows_max
        threads = ThreadFolder(client, clock, settings.sinks)
        lanes = {
            table: Lane(table.name, writer.store, _folding_all(writer, threads), lambda: None, fold_rows_max=rows_max)
            for table, writer in writers.items()
        }
        try:
            yield lanes
        finally:
            for lane in lanes.values():
                await lane.abandon()


def _folding_all(writer: Writer, threads: ThreadFolder) -> Fold:
    """Return the step that folds the rows of batches, and their threads."""

    async def fold(batches: Sequence[Batch]) -> None:
        await writer.fold(batches)
        if writer.table.name in FOLDS:
            await threads.fold({writer.table.name: batches})

    return fold


def _bound(text: str | None) -> Bound:
    if text is None:
        return Bound()
    if text.isdigit():
        return Bound(offset=int(text))
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise Malformed(f"{text!r} is no offset and no time such as 2026-11-23T08:00:00") from error
    return Bound(at_ms=int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000))


async def _connected(settings: Settings, topic: Topic, begin: str | None, end: str | None) -> tuple[int, int]:
    async with ClickHouse(settings.clickhouse) as client:
        return await replay(settings, client, SystemClock(), topic, begin, end)
