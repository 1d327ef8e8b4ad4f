"""The loop of the stage: read closed sessions, evaluate each in a task of its own, commit up to the lowest unfinished.

One task owns the state. A slow session holds nothing but its own offset: others of its partition go on, until
`sessions_in_flight_max` are in hand; then nothing more is read. While storage is away sessions wait, for as long as it
takes, and the group keeps its members.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.consumer import EventConsumer, LogPartition, LogRecord
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.retry import Backoff
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import BrokerUnavailable, FatalError, Undecodable
from pipeline.evaluators.coverage import Coverage
from pipeline.evaluators.intake import NewerSchema, Wanted, wanted_of
from pipeline.evaluators.progress import Progress
from pipeline.evaluators.reader import TranscriptReader
from pipeline.evaluators.rulebook import RuleBook
from pipeline.evaluators.session import Evaluation
from pipeline.settings import Settings
from pipeline.topics import EVALUATORS_GROUP, THREADS

_LOG: Final = logger(__name__)
_FETCH_SECONDS: Final = 0.1
_FETCH_RECORDS_MAX: Final = 500
_REST_SECONDS_MAX: Final = 1.0
_COMMIT_SECONDS: Final = 0.25
"""How often it is committed while sessions finish one by one."""


class Evaluators:
    """The state of the stage, owned by the task that calls `run`."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        rules: RuleBook,
        coverage: Coverage,
        reader: TranscriptReader,
        producer: EventProducer,
    ) -> None:
        self._settings: Final = settings
        self._clock: Final = clock
        self._rules: Final = rules
        self._wake: Final = asyncio.Event()
        self._progress: Final = Progress()
        self._tasks: Final[dict[asyncio.Task[None], tuple[LogPartition, LogRecord]]] = {}
        self._finished: Final[list[asyncio.Task[None]]] = []
        self._held_until: Final[dict[LogPartition, float]] = {}
        self._fetching: asyncio.Task[Mapping[LogPartition, Sequence[LogRecord]]] | None = None
        self._revoking: asyncio.Future[None] | None = None
        self._is_leaving = False
        self._moved_at = clock.monotonic()
        self._committed_at = self._moved_at
        self._backoff: Final = Backoff(seconds_max=settings.evaluate.retry_seconds_max)
        self._consumer: Final = EventConsumer(
            settings.kafka,
            (THREADS,),
            group=EVALUATORS_GROUP,
            instance_id=settings.evaluate.instance_id,
            fetch_bytes_max=settings.evaluate.fetch_bytes_max,
            on_assigned=self._wake.set,
            on_revoked=self._revoke,
            on_gap=_count_gap,
        )
        self._evaluation: Final = Evaluation(
            coverage, reader, producer, clock, settings.evaluate, self._consumer.log_id
        )

    async def run(self, ready: Callable[[], None], stop: asyncio.Event) -> None:
        """Join the group and work until `stop`."""
        await self._consumer.start()
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
        if still_seconds <= self._settings.evaluate.stall_seconds_max:
            return None
        return f"the loop has not moved for {still_seconds:.0f} s"

    async def _step(self) -> None:
        """Wait until something happened, and do what follows from it."""
        self._begin_fetch()
        await self._rest()
        self._moved_at = self._clock.monotonic()
        self._take_fetched()
        self._take_finished()
        if self._moved_at >= self._committed_at + _COMMIT_SECONDS:
            await self._commit()
        if self._revoking is not None:
            await self._hand_over(self._revoking)

    def _begin_fetch(self) -> None:
        if self._fetching is None and (wanted := self._wanted()):
            self._fetching = asyncio.create_task(self._fetch(wanted))
            self._fetching.add_done_callback(lambda _: self._wake.set())

    def _wanted(self) -> list[LogPartition]:
        """Return the partitions to read: none while too much is in hand, none that are held."""
        if self._progress.in_hand >= self._settings.evaluate.sessions_in_flight_max:
            return []
        for place in [place for place, until in self._held_until.items() if until <= self._moved_at]:
            del self._held_until[place]
        return [place for place in self._consumer.assigned if place not in self._held_until]

    async def _fetch(self, wanted: Sequence[LogPartition]) -> Mapping[LogPartition, Sequence[LogRecord]]:
        try:
            fetched = await self._consumer.fetch(wanted, records_max=_FETCH_RECORDS_MAX, timeout_seconds=_FETCH_SECONDS)
        except BrokerUnavailable as error:
            metrics.EVALUATORS_RETRIES.labels("kafka").inc()
            pause_seconds = self._backoff.pause()
            _LOG.warning("waiting for Kafka", reason=str(error), pause_seconds=round(pause_seconds, 2))
            await asyncio.sleep(pause_seconds)
            return {}
        self._backoff.reset()
        return {place: share.records for place, share in fetched.items()}

    async def _rest(self) -> None:
        """Return when something happened, or a moment later."""
        seconds = _COMMIT_SECONDS if self._progress.in_hand or self._finished else _REST_SECONDS_MAX
        with suppress(TimeoutError):  # it is time to look at commits and metrics
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    def _take_fetched(self) -> None:
        if self._fetching is None or not self._fetching.done():
            return
        task, self._fetching = self._fetching, None
        fetched = task.result()
        if self._revoking is not None:
            return  # the next owner reads them
        for place, records in fetched.items():
            for record in records:
                try:
                    self._take(place, record)
                except NewerSchema as newer:
                    self._hold(place, record.offset, str(newer))
                    break
                self._progress.read_up_to(place, record.offset + 1)

    def _take(self, place: LogPartition, record: LogRecord) -> None:
        """Begin what a record asks for; raises NewerSchema."""
        try:
            wanted = wanted_of(record, self._rules)
        except Undecodable as error:
            task = asyncio.create_task(self._evaluation.set_aside(place, record, str(error), "undecodable"))
        else:
            if wanted is None:
                metrics.EVALUATORS_SESSIONS.labels("not asked for").inc()
                return
            task = asyncio.create_task(self._evaluate(place, record, wanted))
        self._progress.begin(place, record.offset)
        self._tasks[task] = (place, record)
        task.add_done_callback(self._note_finished)

    async def _evaluate(self, place: LogPartition, record: LogRecord, wanted: Wanted) -> None:
        """Evaluate a session; what we cannot cope with goes to the dead letters, since others must not wait for it."""
        try:
            await self._evaluation.evaluate(place, record, *wanted)
        except FatalError:
            raise
        except Exception as error:  # noqa: BLE001 - with nobody above but the process, it would come back for ever
            _LOG.error("a fault of ours", partition=place.partition, offset=record.offset, exc_info=True)
            await self._evaluation.set_aside(place, record, f"a fault of ours: {error!r}", "fault")

    def _note_finished(self, task: asyncio.Task[None]) -> None:
        self._finished.append(task)
        self._wake.set()

    def _take_finished(self) -> None:
        """Note which sessions are finished; raises what one of them raised, which stops the process."""
        for task in self._finished:
            if (begun := self._tasks.pop(task, None)) is not None:
                task.result()
                place, record = begun
                self._progress.finish(place, record.offset)
        self._finished.clear()

    def _hold(self, place: LogPartition, offset: int, reason: str) -> None:
        """Read a partition no further for a while; what stands before is evaluated as ever."""
        self._held_until[place] = self._clock.monotonic() + self._settings.evaluate.newer_schema_retry_seconds
        self._consumer.rewind(place, offset)
        metrics.EVALUATORS_HELD.inc()
        _LOG.warning("partition held", partition=place.partition, offset=offset, reason=reason)

    async def _commit(self) -> None:
        """Commit what is finished; where Kafka does not answer, the next time tries again."""
        self._committed_at = self._clock.monotonic()
        self._observe()
        if not (offsets := self._progress.committable()):
            return
        try:
            if await self._consumer.commit(offsets):
                self._progress.committed(offsets)
        except BrokerUnavailable as error:
            _LOG.warning("not committed", reason=str(error))

    def _observe(self) -> None:
        metrics.EVALUATORS_IN_FLIGHT.set(self._progress.in_hand)
        oldest_ms = min((record.timestamp for _, record in self._tasks.values()), default=None)
        age_seconds = 0.0 if oldest_ms is None else max(0.0, self._clock.now_us() / 1e6 - oldest_ms / 1e3)
        metrics.EVALUATORS_QUEUE_AGE_SECONDS.set(age_seconds)

    async def _revoke(self) -> None:
        """Have the loop hand its partitions over; called before they go to another member."""
        if self._is_leaving:
            return
        self._revoking = asyncio.get_running_loop().create_future()
        self._wake.set()
        await self._revoking

    async def _hand_over(self, revoking: "asyncio.Future[None]") -> None:
        """Commit what is finished. What is not is evaluated by the next owner, to the same scores."""
        try:
            await self._commit()
            await self._forget()
        finally:
            self._revoking = None
            if not revoking.done():
                revoking.set_result(None)

    async def _leave(self) -> None:
        """Finish what is in hand, as far as the time allows, and leave the group."""
        self._is_leaving = True
        if self._revoking is not None:
            self._revoking.cancel()
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})
        try:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._settings.operation.drain_seconds)
            self._take_finished()
            await self._commit()
        finally:
            await self._forget()
            await self._consumer.stop()

    async def _forget(self) -> None:
        tasks = list(self._tasks)
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                _LOG.warning("an evaluation failed while it was abandoned", reason=repr(error))
        self._finished.clear()
        self._progress.forget()
        self._held_until.clear()
        self._observe()


def _count_gap(place: LogPartition, records: int) -> None:
    metrics.EVALUATORS_OFFSET_GAPS.inc(records)
    _LOG.error("records are gone", topic=place.topic, partition=place.partition, records=records)
