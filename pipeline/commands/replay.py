"""`threadline replay`: store a range of a topic once more, as the sinks do, without a word to their group.

A row is known by its place in the log, so that what is there already collapses and what is missing is there again. The
folded tables follow from the events. Records that are poison become the dead letters that they were.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock, SystemClock
from pipeline.adapters.kafka.admin import read_log_ids
from pipeline.adapters.kafka.consumer import Fetched, LogPartition, LogRecord
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.reader import offsets_at, read_to_end
from pipeline.errors import Malformed
from pipeline.settings import KafkaSettings, Settings
from pipeline.sinks.batch import Limits
from pipeline.sinks.intake import Intake
from pipeline.sinks.lane import Lane
from pipeline.sinks.routes import TABLES, Table
from pipeline.sinks.writer import Writer
from pipeline.topics import STORED, Topic

_CLIENT_ID: Final = "threadline-replay"
_TOPICS: Final = {topic.name: topic for topic in STORED}


def run(settings: Settings, topic: str, begin: str | None, end: str | None, *, as_json: bool) -> None:
    """Replay and print how many records there were; raises Malformed where topic, begin or end say nothing."""
    if topic not in _TOPICS:
        raise Malformed(f"no topic {topic!r}; there are {', '.join(_TOPICS)}")
    records = asyncio.run(_connected(settings, _TOPICS[topic], begin, end))
    print(json.dumps({"topic": topic, "records": records}) if as_json else f"{records:,} records")  # noqa: T201


async def replay(
    settings: Settings, client: ClickHouse, clock: Clock, topic: Topic, begin: str | None, end: str | None
) -> int:
    """Store the records from `begin` to before `end` once more and return how many there were.

    Each is an offset, which holds for every partition, or a time (ISO 8601, UTC where it names no zone) of appending;
    without it the topic's own. Raises what the sinks stop for, BrokerUnavailable, and NewerSchema for records of a
    version to come.
    """
    log_id = (await read_log_ids(settings.kafka))[topic.name]
    starts = await _offsets(settings.kafka, topic, begin)
    ends = await _offsets(settings.kafka, topic, end)
    count = 0
    async with (
        _lanes(settings, client, clock) as lanes,
        aclosing(read_to_end(settings.kafka, topic, starts=starts, ends=ends)) as polls,
    ):
        intake = _intake(settings, clock, lanes, log_id)
        async for partition, records in polls:
            wanted = _before(records, ends.get(partition))
            if wanted:
                _take(intake, LogPartition(topic.name, partition), wanted)
                count += len(wanted)
                await _write(lanes.values(), only_full=True)
        await _write(lanes.values(), only_full=False)
    return count


def _take(intake: Intake, place: LogPartition, records: Sequence[LogRecord]) -> None:
    taken = intake.take(place, Fetched(records, records[0].offset, records[-1].offset + 1))
    if taken.newer is not None:
        raise taken.newer


def _before(records: Sequence[LogRecord], end: int | None) -> Sequence[LogRecord]:
    return records if end is None else [record for record in records if record.offset < end]


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
        writers = {table: Writer(table, client, producer, clock, settings.sinks) for table in TABLES}
        lanes = {table: Lane(table.name, writer.store, writer.fold, lambda: None) for table, writer in writers.items()}
        try:
            yield lanes
        finally:
            for lane in lanes.values():
                await lane.abandon()


async def _offsets(kafka: KafkaSettings, topic: Topic, bound: str | None) -> dict[int, int]:
    """Return what `bound` means, by partition; nothing where the topic's own bound is meant."""
    if bound is None:
        return {}
    if bound.isdigit():
        return await offsets_at(kafka, topic, offset=int(bound))
    try:
        time = datetime.fromisoformat(bound)
    except ValueError as error:
        raise Malformed(f"{bound!r} is no offset and no time such as 2026-11-23T08:00:00") from error
    at_ms = int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
    return await offsets_at(kafka, topic, at_ms=at_ms)


async def _connected(settings: Settings, topic: Topic, begin: str | None, end: str | None) -> int:
    async with ClickHouse(settings.clickhouse) as client:
        return await replay(settings, client, SystemClock(), topic, begin, end)
