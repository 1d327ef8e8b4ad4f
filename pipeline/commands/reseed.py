"""`threadline reseed`: make the open threads anew from storage, where the stream's changelog or the whole log is lost.

Without their state nothing would ever close them. It takes three steps, and can be repeated at any time before the
stream is started again:

1. the place is chosen from which the stream reads on: how far the sinks have stored `traces`, or, where that is less,
   how far the stream had come, since commands behind that are not decided yet; in a log that is new, its beginning;
2. what the changelog holds is taken back, and what it would hold at that place is written: settings, log times, and
   open sessions, those of a log that is lost with the id that they have; openings of which storage was not told are;
3. the stream's offsets are set to the place.
"""

import asyncio
import json
from collections.abc import AsyncIterable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Final
from uuid import UUID

from rich.console import Console
from rich.table import Table

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.kafka import groups
from pipeline.adapters.kafka.admin import ensure_topic, read_log_ids
from pipeline.adapters.kafka.groups import Committed
from pipeline.adapters.kafka.offsets import read_bounds
from pipeline.adapters.kafka.partitioner import partition_of
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.reader import read_to_end
from pipeline.commands.stored_threads import Place, log_times_us, open_sessions, settings_in_effect
from pipeline.errors import Conflict
from pipeline.events.envelope import Record
from pipeline.events.identity import thread_key
from pipeline.events.threads import THREAD_DECODER
from pipeline.settings import KafkaSettings, Settings
from pipeline.stream.seeds import OpenSession, opened_record, reached_record, setting_record, state_record
from pipeline.stream.table import CHANGELOG, CHANGELOG_CONFIG
from pipeline.topics import SINKS_GROUP, STREAM_GROUP, THREADS, TRACES

_CLIENT_ID: Final = "threadline-reseed"
_RECORDS_MAX: Final = 10_000


@dataclass(slots=True)
class Seeded:
    """What was made for one partition: from `offset` on the stream reads."""

    partition: int
    offset: int
    settings: int = 0
    threads: int = 0
    carried: int = 0
    """Threads whose session began in another log."""
    openings_told: int = 0


def run(settings: Settings, *, as_json: bool) -> None:
    """Make the state and print what was made.

    Raises Conflict, with nothing changed, while the stream's group has members or the sinks have sessions yet to store.
    """
    seeded = asyncio.run(_connected(settings))
    if as_json:
        print(json.dumps([asdict(partition) for partition in seeded]))  # noqa: T201
    elif any(partition.threads or partition.settings for partition in seeded):
        Console().print(_table(seeded))
    else:
        Console().print("nothing to do: storage knows of no open thread and of no setting")


async def reseed(kafka: KafkaSettings, client: ClickHouse) -> list[Seeded]:
    """Make the state anew and return what was made, by partition; raises Conflict as `run` does."""
    log_ids = await read_log_ids(kafka)
    log_id = log_ids[TRACES.name]
    if count := await groups.members(kafka, STREAM_GROUP):
        raise Conflict(f"{count} members are in the group {STREAM_GROUP}: stop every `threadline worker` first")
    await _check_stored(kafka, log_ids[THREADS.name])
    stands = await groups.committed(kafka, STREAM_GROUP, TRACES)
    place = await _place(kafka, log_id, stands)
    times_us = await log_times_us(client, place)
    seeded = [Seeded(number, offset) for number, offset in enumerate(place.offsets)]
    await ensure_topic(kafka, CHANGELOG, CHANGELOG_CONFIG)
    async with EventProducer(kafka, client_id=_CLIENT_ID) as producer:
        await _forget(producer, kafka)
        await _write_settings(producer, client, place, times_us, seeded)
        await _write_sessions(producer, log_id, open_sessions(client, place, times_us), seeded)
    if stands or any(place.offsets):
        committed = {
            number: Committed(offset, str(time_us) if offset else "")
            for number, (offset, time_us) in enumerate(zip(place.offsets, times_us, strict=True))
        }
        await groups.set_committed(kafka, STREAM_GROUP, TRACES, committed)
    return seeded


async def _connected(settings: Settings) -> list[Seeded]:
    client = ClickHouse(settings.clickhouse)
    await client.start()
    try:
        return await reseed(settings.kafka, client)
    finally:
        await client.close()


async def _check_stored(kafka: KafkaSettings, log_id: UUID) -> None:
    """Check that storage knows the end of every session that was told: one that it takes for open would end twice.

    An opening by activity follows from the activity, which is stored.
    """
    stored = await groups.committed(kafka, SINKS_GROUP, THREADS, log_id=log_id)
    starts = {number: place.offset for number, place in stored.items()}
    async with aclosing(read_to_end(kafka, THREADS, starts=starts)) as runs:
        async for _, records in runs:
            events = [THREAD_DECODER.decode(record.value or b"") for record in records]
            if any(event.event != "opened" or not event.activities for event in events):
                raise Conflict("sessions are not stored yet: let `threadline sink` store them first")


async def _place(kafka: KafkaSettings, log_id: UUID, stands: dict[int, Committed]) -> Place:
    stored = await groups.committed(kafka, SINKS_GROUP, TRACES, log_id=log_id)
    begins = [bounds.begin for bounds in (await read_bounds(kafka, [TRACES], SINKS_GROUP))[TRACES.name]]
    return Place(log_id, [_next_offset(begin, stored.get(n), stands.get(n)) for n, begin in enumerate(begins)])


def _next_offset(begin: int, stored: Committed | None, stood: Committed | None) -> int:
    """Return where the stream reads on in a partition that begins at `begin`."""
    if stored is None:
        return begin
    return max(begin, stored.offset if stood is None else min(stored.offset, stood.offset))


async def _forget(producer: EventProducer, kafka: KafkaSettings) -> None:
    """Take back whatever the changelog holds: it may be of another log, or of another place in this one."""
    held: set[tuple[int, bytes]] = set()
    async with aclosing(read_to_end(kafka, CHANGELOG)) as runs:
        async for partition, records in runs:
            for record in records:
                change = held.discard if record.value is None else held.add
                change((partition, record.key or b""))
    forgotten = [Record(key, None, (), partition) for partition, key in held]
    for begin in range(0, len(forgotten), _RECORDS_MAX):
        await producer.publish(CHANGELOG, forgotten[begin : begin + _RECORDS_MAX])


async def _write_settings(
    producer: EventProducer, client: ClickHouse, place: Place, times_us: Sequence[int], seeded: Sequence[Seeded]
) -> None:
    """Write settings and log times."""
    records = []
    for partition, settings, time_us in zip(seeded, await settings_in_effect(client, place), times_us, strict=True):
        number = partition.partition
        records += [setting_record(setting, partition=number) for setting in settings]
        if partition.offset:
            records.append(reached_record(partition.offset, log_time_us=time_us, partition=number))
        partition.settings = len(settings)
    await producer.publish(CHANGELOG, records)


async def _write_sessions(
    producer: EventProducer, log_id: UUID, runs: AsyncIterable[Sequence[OpenSession]], seeded: Sequence[Seeded]
) -> None:
    """Write the states of open threads; an opening that is yet to be told goes first, so that no close precedes it."""
    async for sessions in runs:
        states, openings = [], []
        for session in sessions:
            partition = seeded[partition_of(thread_key(session.thread), len(seeded))]
            number = partition.partition
            states.append(state_record(session, log_id=log_id, partition=number))
            if not session.is_told:
                openings.append(opened_record(session, log_id=log_id, partition=number))
            partition.threads += 1
            partition.carried += session.extent.log_id != log_id
            partition.openings_told += not session.is_told
        await producer.publish(THREADS, openings)
        await producer.publish(CHANGELOG, states)


def _table(seeded: Sequence[Seeded]) -> Table:
    table = Table("partition", "offset", "settings", "threads", "carried over", "openings told", show_footer=True)
    for partition in seeded:
        table.add_row(*(f"{number:,}" for number in asdict(partition).values()))
    totals = [sum(column) for column in zip(*(asdict(partition).values() for partition in seeded), strict=True)]
    for column, text in zip(table.columns, ("all", "", *(f"{total:,}" for total in totals[2:])), strict=True):
        column.footer = text
    return table
