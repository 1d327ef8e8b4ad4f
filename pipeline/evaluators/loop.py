"""What is done with what the stage reads: each closed session is evaluated in a task of its own.

Committed is up to the lowest that is not finished. A slow session holds nothing but its own offset: others of its
partition go on, until `sessions_in_flight_max` are in hand; then nothing more is read. While storage is away sessions
wait, for as long as it takes, and the group keeps its members.
"""

import asyncio
from collections.abc import Collection
from typing import Final

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.consumer import Fetched, LogPartition, LogRecord
from pipeline.adapters.kafka.member import GroupMember, Held, Tally
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import FatalError, Undecodable
from pipeline.evaluators.intake import NewerSchema, Wanted, wanted_of
from pipeline.evaluators.progress import Progress
from pipeline.evaluators.rulebook import RuleBook
from pipeline.evaluators.session import Evaluation
from pipeline.settings import Settings

_LOG: Final = logger(__name__)
_REST_SECONDS_MAX: Final = 1.0
_COMMIT_SECONDS: Final = 0.25
"""How often it is committed while sessions finish one by one."""

TALLY: Final = Tally(
    gap=lambda _, records: metrics.EVALUATORS_OFFSET_GAPS.inc(records),
    held=lambda _: metrics.EVALUATORS_HELD.inc(),
    retry=metrics.EVALUATORS_RETRIES.labels("kafka").inc,
)
"""What is counted of the member whose work this is."""


class Evaluators:
    """The work of a member of the stage's group; its task owns this."""

    def __init__(
        self, settings: Settings, clock: Clock, rules: RuleBook, member: GroupMember, evaluation: Evaluation
    ) -> None:
        self._settings: Final = settings
        self._clock: Final = clock
        self._rules: Final = rules
        self._member: Final = member
        self._evaluation: Final = evaluation
        self._progress: Final = Progress()
        self._tasks: Final[dict[asyncio.Task[None], tuple[LogPartition, LogRecord]]] = {}
        self._finished: Final[list[asyncio.Task[None]]] = []
        self._committed_at = clock.monotonic()

    def wanted(self, assigned: Collection[LogPartition]) -> Collection[LogPartition]:
        """Return all, but none while too much is in hand."""
        return assigned if self._progress.in_hand < self._settings.evaluate.sessions_in_flight_max else ()

    def rest_seconds(self) -> float:
        """Return when to look at commits and metrics."""
        return _COMMIT_SECONDS if self._progress.in_hand or self._finished else _REST_SECONDS_MAX

    def take(self, place: LogPartition, fetched: Fetched) -> Held | None:
        """Begin what the records ask for, as far as this version understands them."""
        for record in fetched.records:
            try:
                self._begin(place, record)
            except NewerSchema as newer:
                return Held(record.offset, str(newer))
            self._progress.read_up_to(place, record.offset + 1)
        return None

    async def advance(self, now: float) -> None:
        """Take what has finished, and commit now and then."""
        self._take_finished()
        if now >= self._committed_at + _COMMIT_SECONDS:
            await self._commit()

    async def hand_over(self) -> None:
        """Commit what is finished. What is not is evaluated by the next owner, to the same scores."""
        await self._commit()

    async def drain(self) -> None:
        """Finish what is in hand, as far as the time allows."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.operation.drain_seconds)
        self._take_finished()
        await self._commit()

    async def forget(self) -> None:
        """Abandon what is in hand."""
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
        self._observe()

    def _begin(self, place: LogPartition, record: LogRecord) -> None:
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
        self._member.wake()

    def _take_finished(self) -> None:
        """Note which sessions are finished; raises what one of them raised, which stops the process."""
        for task in self._finished:
            if (begun := self._tasks.pop(task, None)) is not None:
                task.result()
                place, record = begun
                self._progress.finish(place, record.offset)
        self._finished.clear()

    async def _commit(self) -> None:
        """Commit what is finished; where that is in vain, the next time tries again."""
        self._committed_at = self._clock.monotonic()
        self._observe()
        if (offsets := self._progress.committable()) and await self._member.commit(offsets):
            self._progress.committed(offsets)

    def _observe(self) -> None:
        metrics.EVALUATORS_IN_FLIGHT.set(self._progress.in_hand)
        oldest_ms = min((record.timestamp for _, record in self._tasks.values()), default=None)
        age_seconds = 0.0 if oldest_ms is None else max(0.0, self._clock.now_us() / 1e6 - oldest_ms / 1e3)
        metrics.EVALUATORS_QUEUE_AGE_SECONDS.set(age_seconds)
