"""The sinks stage: read every event topic, batch by table, write, and commit what is stored.

One task owns the state. It waits for whatever comes first: records, the end of a write, a batch that is due, a
rebalance, the wish to stop. The next records are fetched while batches are written. While storage is away the writers
try for ever; their lanes fill up, partitions of their topics are no longer read, all others are, and the group keeps
its members.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.consumer import EventConsumer, Fetched, LogPartition
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.retry import Backoff
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import BrokerUnavailable
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

_LOG: Final = logger(__name__)
_FETCH_SECONDS: Final = 0.1
"""How long one fetch waits for records: after this the partitions to read are chosen anew."""
_REST_SECONDS_MAX: Final = 1.0

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
    producer = EventProducer(settings.kafka, client_id=SINKS_GROUP)
    async with ClickHouse(settings.clickhouse) as client, producer:
        folder = ThreadFolder(client, clock, settings.sinks)
        sink = Sink(settings, clock, lambda table: Writer(table, client, producer, clock, settings.sinks), folder.fold)
        if live_while is not None:
            live_while("loop", sink.check_moving)
        async with watching(settings, clock, sink.consumer, client):
            await sink.run(ready, stop)


class Sink:
    """The state of the stage, owned by the task that calls `run`."""

    def __init__(
        self, settings: Settings, clock: Clock, writer_of: Callable[[Table], Writer], fold_threads: FoldThreads
    ) -> None:
        self._settings: Final = settings
        self._clock: Final = clock
        self._wake: Final = asyncio.Event()
        writers = {table: writer_of(table) for table in TABLES}
        self._lanes: Final = {
            table: Lane(
                table.name,
                writer.store,
                writer.fold,
                self._wake.set,
                fold_rows_max=settings.sinks.fold_rows_max,
                has_threads=table.name in FOLDS,
            )
            for table, writer in writers.items()
        }
        self._threads: Final = ThreadPass(
            self._lanes.values(),
            fold_threads,
            self._wake.set,
            interval_seconds=settings.sinks.thread_fold_interval_ms / 1000,
        )
        self._progress: Final = Progress()
        self._held_until: Final[dict[LogPartition, float]] = {}
        self._fetching: asyncio.Task[Mapping[LogPartition, Fetched]] | None = None
        self._revoking: asyncio.Future[None] | None = None
        self._is_leaving = False
        self._moved_at = clock.monotonic()
        self._backoff: Final = Backoff(seconds_max=settings.sinks.retry_seconds_max)
        self.consumer: Final = EventConsumer(
            settings.kafka,
            STORED,
            group=SINKS_GROUP,
            instance_id=settings.sinks.instance_id,
            fetch_bytes_max=settings.sinks.fetch_bytes_max,
            on_assigned=self._wake.set,
            on_revoked=self._revoke,
            on_gap=_count_gap,
        )
        self._intake: Final = Intake(self._lanes, _limits_of(settings.sinks), clock, self.consumer.log_id)

    async def run(self, ready: Callable[[], None], stop: asyncio.Event) -> None:
        """Join the group and work until `stop`."""
        await self.consumer.start()
        ready()
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        try:
            while not stop.is_set():
                await self._step()
        finally:
            stopping.cancel()
            await self._leave()

    def check_moving(self) -> str | None:
        """Say what is wrong where the loop has stood still for too long."""
        still_seconds = self._clock.monotonic() - self._moved_at
        if still_seconds <= self._settings.sinks.stall_seconds_max:
            return None
        return f"the loop has not moved for {still_seconds:.0f} s"

    async def _step(self) -> None:
        """Wait until something happened, and do what follows from it."""
        self._begin_fetch()
        await self._rest()
        self._moved_at = self._clock.monotonic()
        self._take_fetched()
        has_ended = [lane.finish() for lane in self._lanes.values()]
        has_ended.append(self._threads.finish(self._moved_at))
        for lane in self._lanes.values():
            if lane.can_write and lane.filling is not None and lane.filling.due_at <= self._moved_at:
                lane.write()
        if any(has_ended):
            await self._commit()
        if self._revoking is not None:
            await self._hand_over(self._revoking)

    def _begin_fetch(self) -> None:
        if self._fetching is None and (wanted := self._wanted()):
            self._fetching = asyncio.create_task(self._fetch(wanted))
            self._fetching.add_done_callback(lambda _: self._wake.set())

    def _wanted(self) -> list[LogPartition]:
        """Return the partitions to read: none while too much is in hand, none whose lane is full or that are held."""
        buffered_bytes = sum(lane.bytes for lane in self._lanes.values())
        metrics.SINKS_BUFFERED_BYTES.set(buffered_bytes)
        if buffered_bytes >= self._settings.sinks.buffered_bytes_max:
            return []
        for place in [place for place, until in self._held_until.items() if until <= self._moved_at]:
            del self._held_until[place]
        open_topics = {
            topic.name for topic in STORED if not any(lane.is_blocked for lane in self._intake.lanes_of(topic.name))
        }
        return [
            place for place in self.consumer.assigned if place.topic in open_topics and place not in self._held_until
        ]

    async def _fetch(self, wanted: Sequence[LogPartition]) -> Mapping[LogPartition, Fetched]:
        try:
            fetched = await self.consumer.fetch(
                wanted, records_max=self._settings.sinks.fetch_records_max, timeout_seconds=_FETCH_SECONDS
            )
        except BrokerUnavailable as error:
            pause_seconds = self._backoff.pause()
            _LOG.warning("waiting for Kafka", reason=str(error), pause_seconds=round(pause_seconds, 2))
            await asyncio.sleep(pause_seconds)
            return {}
        self._backoff.reset()
        return fetched

    async def _rest(self) -> None:
        """Return when something happened, or a batch is due."""
        now = self._clock.monotonic()
        due = [lane.filling.due_at for lane in self._lanes.values() if lane.can_write and lane.filling is not None]
        if self._threads.due_at is not None:
            due.append(self._threads.due_at)
        pause_seconds = min([_REST_SECONDS_MAX, *(at - now for at in due)])
        with suppress(TimeoutError):  # a batch is due
            async with asyncio.timeout(max(0.0, pause_seconds)):
                await self._wake.wait()
        self._wake.clear()

    def _take_fetched(self) -> None:
        if self._fetching is None or not self._fetching.done():
            return
        task, self._fetching = self._fetching, None
        fetched = task.result()
        if self._revoking is not None:
            return  # the next owner reads them
        for place, found in fetched.items():
            taken = self._intake.take(place, found)
            self._progress.read_up_to(place, taken.next_offset)
            if taken.newer is not None:
                self._hold(place, taken.next_offset, str(taken.newer))

    def _hold(self, place: LogPartition, offset: int, reason: str) -> None:
        """Read a partition no further for a while; what stands before is stored as ever."""
        seconds = self._settings.sinks.newer_schema_retry_seconds
        self._held_until[place] = self._clock.monotonic() + seconds
        self.consumer.rewind(place, offset)
        metrics.SINKS_HELD.labels(place.topic).inc()
        _LOG.warning("partition held", topic=place.topic, partition=place.partition, offset=offset, reason=reason)

    async def _commit(self) -> None:
        """Commit what is stored; where Kafka does not answer, the next write tries again."""
        outstanding = self._threads.outstanding()
        outstanding += [batch for lane in self._lanes.values() for batch in lane.outstanding()]
        offsets = self._progress.committable(outstanding)
        try:
            if await self.consumer.commit(offsets):
                self._progress.committed(offsets)
        except BrokerUnavailable as error:
            _LOG.warning("not committed", reason=str(error))

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

    async def _revoke(self) -> None:
        """Have the loop hand its partitions over; called before they go to another member."""
        if self._is_leaving:
            return
        self._revoking = asyncio.get_running_loop().create_future()
        self._wake.set()
        await self._revoking

    async def _hand_over(self, revoking: "asyncio.Future[None]") -> None:
        try:
            await self._settle(self._settings.kafka.session_timeout_ms / 1000)
            await self._forget()
        finally:
            self._revoking = None
            if not revoking.done():
                revoking.set_result(None)

    async def _leave(self) -> None:
        """Finish what is in hand and leave the group."""
        self._is_leaving = True
        if self._revoking is not None:
            self._revoking.cancel()
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})
        try:
            await self._settle(self._settings.operation.drain_seconds)
        finally:
            await self._forget()
            await self.consumer.stop()

    async def _forget(self) -> None:
        await self._threads.abandon()
        for lane in self._lanes.values():
            await lane.abandon()
        self._progress.forget()
        self._held_until.clear()


def _limits_of(settings: SinksSettings) -> Limits:
    return Limits(
        rows_max=settings.batch_rows_max,
        bytes_max=settings.batch_bytes_max,
        age_seconds_max=settings.batch_age_ms_max / 1000,
        idle_seconds_max=settings.idle_flush_ms / 1000,
    )


def _count_gap(place: LogPartition, records: int) -> None:
    metrics.SINKS_OFFSET_GAPS.labels(place.topic).inc(records)
    _LOG.error("records are gone", topic=place.topic, partition=place.partition, records=records)
