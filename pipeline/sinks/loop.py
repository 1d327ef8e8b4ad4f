"""What is done with what the stage reads: batch by table, write, and commit what is stored.

The next records are fetched while batches are written. While storage is away the writers try for ever; their lanes fill
up, partitions of their topics are no longer read, all others are, and the group keeps its members.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.consumer import Fetched, LogPartition
from pipeline.adapters.kafka.member import GroupMember, Held, Tally
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.telemetry import metrics
from pipeline.settings import Settings, SinksSettings
from pipeline.sinks.batch import Limits
from pipeline.sinks.fold import FOLDS
from pipeline.sinks.intake import Intake
from pipeline.sinks.lane import Lane
from pipeline.sinks.progress import Progress
from pipeline.sinks.routes import TABLES, Table
from pipeline.sinks.thread_pass import FoldThreads, ThreadFolder, ThreadPass
from pipeline.sinks.watch import watching
from pipeline.sinks.writer import Writer
from pipeline.topics import SINKS_GROUP, STORED

_REST_SECONDS_MAX: Final = 1.0
_TALLY: Final = Tally(
    gap=lambda place, records: metrics.SINKS_OFFSET_GAPS.labels(place.topic).inc(records),
    held=lambda place: metrics.SINKS_HELD.labels(place.topic).inc(),
    retry=metrics.SINKS_BROKER_RETRIES.inc,
)

Check = Callable[[], str | None]
"""Says what is wrong, or None."""


async def run(
    settings: Settings,
    clock: Clock,
    *,
    ready: Callable[[], None],
    stop: asyncio.Event,
    live_while: Callable[[str, Check], None] | None = None,
) -> None:
    """Store events until `stop`, then finish what is in hand within `settings.operation.drain_seconds`.

    `live_while` is given a check that finds fault with a loop that has not moved for `sinks.stall_seconds_max`. Raises
    FatalError where the stage cannot go on, and BrokerUnavailable where Kafka does not answer at the start.
    """
    member = GroupMember(settings.kafka, settings.sinks, clock, STORED, SINKS_GROUP, _TALLY)
    if live_while is not None:
        live_while("loop", member.check_moving)
    producer = EventProducer(settings.kafka, client_id=SINKS_GROUP)
    async with ClickHouse(settings.clickhouse) as client, producer:
        folder = ThreadFolder(client, clock, settings.sinks)
        sink = Sink(
            settings, clock, member, lambda table: Writer(table, client, producer, clock, settings.sinks), folder.fold
        )
        async with watching(settings, clock, member.consumer, client):
            await member.run(sink, ready, stop)


class Sink:
    """The work of a member of the stage's group; its task owns this."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        member: GroupMember,
        writer_of: Callable[[Table], Writer],
        fold_threads: FoldThreads,
    ) -> None:
        self._settings: Final = settings
        self._clock: Final = clock
        self._member: Final = member
        self._writers: Final = {table: writer_of(table) for table in TABLES}
        self._lanes: Final = {
            table: Lane(
                table.name,
                writer.store,
                writer.fold,
                member.wake,
                fold_rows_max=settings.sinks.fold_rows_max,
                has_threads=table.name in FOLDS,
            )
            for table, writer in self._writers.items()
        }
        self._threads: Final = ThreadPass(
            self._lanes.values(),
            fold_threads,
            member.wake,
            interval_seconds=settings.sinks.thread_fold_interval_ms / 1000,
        )
        self._progress: Final = Progress()
        self._intake: Final = Intake(self._lanes, _limits_of(settings.sinks), clock, member.log_id)

    def wanted(self, assigned: Collection[LogPartition]) -> Collection[LogPartition]:
        """Return the partitions to read: none while too much is in hand, none whose lane is full."""
        buffered_bytes = sum(lane.bytes for lane in self._lanes.values())
        metrics.SINKS_BUFFERED_BYTES.set(buffered_bytes)
        if buffered_bytes >= self._settings.sinks.buffered_bytes_max:
            return ()
        open_topics = {
            topic.name for topic in STORED if not any(lane.is_blocked for lane in self._intake.lanes_of(topic.name))
        }
        return [place for place in assigned if place.topic in open_topics]

    def rest_seconds(self) -> float:
        """Return when a batch is due."""
        now = self._clock.monotonic()
        due = [at for at in (self._threads.due_at, *map(self._due_at, self._lanes)) if at is not None]
        return max(0.0, min([_REST_SECONDS_MAX, *(at - now for at in due)]))

    def take(self, place: LogPartition, fetched: Fetched) -> Held | None:
        """Put records into batches, as far as this version understands them."""
        taken = self._intake.take(place, fetched)
        self._progress.read_up_to(place, taken.next_offset)
        return None if taken.newer is None else Held(taken.next_offset, str(taken.newer))

    async def advance(self, now: float) -> None:
        """Write what is due, and commit what was written."""
        has_ended = [lane.finish() for lane in self._lanes.values()]
        has_ended.append(self._threads.finish(now))
        for table, lane in self._lanes.items():
            if (due_at := self._due_at(table)) is not None and due_at <= now:
                lane.write()
        if any(has_ended):
            await self._commit()

    async def hand_over(self) -> None:
        """Write and commit what can be within a session's timeout; the next owner reads the rest again."""
        await self._settle(self._settings.kafka.session_timeout_ms / 1000)

    async def drain(self) -> None:
        """Write and commit what is in hand, as far as the time allows."""
        await self._settle(self._settings.operation.drain_seconds)

    async def forget(self) -> None:
        """Abandon what is in hand."""
        await self._threads.abandon()
        for lane in self._lanes.values():
            await lane.abandon()
        self._progress.forget()

    def _due_at(self, table: Table) -> float | None:
        """Return when what has filled for a table should be written; None where nothing can be."""
        lane = self._lanes[table]
        if not lane.can_write or lane.filling is None:
            return None
        return lane.filling.due_at(write_seconds=self._writers[table].write_seconds)

    async def _commit(self) -> None:
        """Commit what is stored; where that is in vain, the next write tries again."""
        outstanding = self._threads.outstanding()
        outstanding += [batch for lane in self._lanes.values() for batch in lane.outstanding()]
        offsets = self._progress.committable(outstanding)
        if await self._member.commit(offsets):
            self._progress.committed(offsets)

    async def _settle(self, seconds_max: float) -> None:
        """Write all that is in hand and commit it; what is not stored after `seconds_max` is left to be read again."""
        until = self._clock.monotonic() + seconds_max
        while True:
            for lane in self._lanes.values():
                lane.finish()
                if lane.can_write:
                    lane.write()
            self._threads.finish(self._clock.monotonic(), at_once=True)
            tasks = self._threads.tasks + [task for lane in self._lanes.values() for task in lane.tasks]
            left_seconds = until - self._clock.monotonic()
            if not tasks or left_seconds <= 0:
                break
            await asyncio.wait(tasks, timeout=left_seconds, return_when=asyncio.FIRST_COMPLETED)
        await self._commit()


def _limits_of(settings: SinksSettings) -> Limits:
    return Limits(
        rows_max=settings.batch_rows_max,
        bytes_max=settings.batch_bytes_max,
        age_seconds_max=settings.batch_age_ms_max / 1000,
        idle_seconds_max=settings.idle_flush_ms / 1000,
    )
