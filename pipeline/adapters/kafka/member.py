"""The life of a member of a consumer group: fetch, hand to the stage's work, commit, hand over, leave.

One task owns the state. It waits for whatever comes first: records, something that the work has finished or is due, a
rebalance, the wish to stop. The next records are fetched while those taken are worked on. While Kafka is away it tries
for ever, and a partition that cannot be read further for now is held, while all others go on.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.consumer import EventConsumer, Fetched, LogPartition
from pipeline.adapters.retry import Backoff
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import BrokerUnavailable
from pipeline.settings import KafkaSettings
from pipeline.topics import Topic

_LOG: Final = logger(__name__)
_FETCH_SECONDS: Final = 0.1
"""How long one fetch waits for records: after this the partitions to read are chosen anew."""


class MemberSettings(Protocol):
    """The settings that every stage with a group of its own has."""

    @property
    def instance_id(self) -> str | None:
        """The name of a static member."""

    @property
    def fetch_bytes_max(self) -> int:
        """Most bytes of one answer of a broker."""

    @property
    def fetch_records_max(self) -> int:
        """Most records taken in hand at once."""

    @property
    def newer_schema_retry_seconds(self) -> float:
        """How long a held partition rests."""

    @property
    def retry_seconds_max(self) -> float:
        """Longest pause while Kafka is away."""

    @property
    def stall_seconds_max(self) -> float:
        """How long the loop may stand still before it counts as hanging."""


class Held(NamedTuple):
    """Where a partition cannot be read further for now, and why."""

    offset: int
    reason: str


class Work(Protocol):
    """What a stage does with its partitions; the member's task calls these, one at a time."""

    def wanted(self, assigned: Collection[LogPartition]) -> Collection[LogPartition]:
        """Return which partitions to read now: none while too much is in hand."""

    def rest_seconds(self) -> float:
        """Return for how long nothing needs to be done unless `GroupMember.wake` is called."""

    def take(self, place: LogPartition, fetched: Fetched) -> Held | None:
        """Take records in hand, and say where the partition is to be held."""

    async def advance(self, now: float) -> None:
        """Do what follows from what has finished or is due at `now`, the clock's monotonic seconds."""

    async def hand_over(self) -> None:
        """Bring to an end what can be, before the partitions go to another member."""

    async def drain(self) -> None:
        """Finish what is in hand, as far as the time allows."""

    async def forget(self) -> None:
        """Abandon what is left: the partitions have gone to someone else."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What counts that records are gone, that a partition is held, and that Kafka was asked again."""

    gap: Callable[[LogPartition, int], None]
    held: Callable[[LogPartition], None]
    retry: Callable[[], None]


class GroupMember:
    """A member of `group` that reads `topics`; the stage's work is handed to `run`."""

    def __init__(
        self, kafka: KafkaSettings, own: MemberSettings, clock: Clock, topics: Sequence[Topic], group: str, tally: Tally
    ) -> None:
        self._own: Final = own
        self._clock: Final = clock
        self._tally: Final = tally
        self._woken: Final = asyncio.Event()
        self._backoff: Final = Backoff(seconds_max=own.retry_seconds_max)
        self._held_until: Final[dict[LogPartition, float]] = {}
        self._fetching: asyncio.Task[Mapping[LogPartition, Fetched]] | None = None
        self._revoking: asyncio.Future[None] | None = None
        self._is_leaving = False
        self._moved_at = clock.monotonic()
        self.consumer: Final = EventConsumer(
            kafka,
            topics,
            group=group,
            instance_id=own.instance_id,
            fetch_bytes_max=own.fetch_bytes_max,
            on_assigned=self.wake,
            on_revoked=self._revoke,
            on_gap=self._note_gap,
        )

    def wake(self) -> None:
        """Have the member look at once at what has happened."""
        self._woken.set()

    def log_id(self, topic: str) -> UUID:
        """Return the id of the log that `topic` is."""
        return self.consumer.log_id(topic)

    def check_moving(self) -> str | None:
        """Say what is wrong where the loop has stood still for too long."""
        still_seconds = self._clock.monotonic() - self._moved_at
        if still_seconds <= self._own.stall_seconds_max:
            return None
        return f"the loop has not moved for {still_seconds:.0f} s"

    async def commit(self, offsets: Mapping[LogPartition, int]) -> bool:
        """Commit the next offsets to read; return False where that was in vain: the work says them again later."""
        try:
            return await self.consumer.commit(offsets)
        except BrokerUnavailable as error:
            _LOG.warning("not committed", reason=str(error))
            return False

    async def run(self, work: Work, ready: Callable[[], None], stop: asyncio.Event) -> None:
        """Join the group and work until `stop`; raises what `work` raises, and BrokerUnavailable at the start only."""
        await self.consumer.start()
        ready()
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self.wake())
        try:
            while not stop.is_set():
                await self._step(work)
        finally:
            stopping.cancel()
            await self._leave(work)

    async def _step(self, work: Work) -> None:
        """Wait until something happened, and do what follows from it."""
        self._begin_fetch(work)
        with suppress(TimeoutError):  # something is due
            async with asyncio.timeout(work.rest_seconds()):
                await self._woken.wait()
        self._woken.clear()
        self._moved_at = self._clock.monotonic()
        self._take_fetched(work)
        await work.advance(self._moved_at)
        if self._revoking is not None:
            await self._hand_over(work, self._revoking)

    def _begin_fetch(self, work: Work) -> None:
        if self._fetching is not None:
            return
        for place in [place for place, until in self._held_until.items() if until <= self._moved_at]:
            del self._held_until[place]
        if wanted := work.wanted([place for place in self.consumer.assigned if place not in self._held_until]):
            self._fetching = asyncio.create_task(self._fetch(wanted))
            self._fetching.add_done_callback(lambda _: self.wake())

    async def _fetch(self, wanted: Collection[LogPartition]) -> Mapping[LogPartition, Fetched]:
        try:
            fetched = await self.consumer.fetch(
                wanted, records_max=self._own.fetch_records_max, timeout_seconds=_FETCH_SECONDS
            )
        except BrokerUnavailable as error:
            self._tally.retry()
            pause_seconds = self._backoff.pause()
            _LOG.warning("waiting for Kafka", reason=str(error), pause_seconds=round(pause_seconds, 2))
            await asyncio.sleep(pause_seconds)
            return {}
        self._backoff.reset()
        return fetched

    def _take_fetched(self, work: Work) -> None:
        if self._fetching is None or not self._fetching.done():
            return
        task, self._fetching = self._fetching, None
        fetched = task.result()
        if self._revoking is not None:
            return  # the next owner reads them
        for place, found in fetched.items():
            if (held := work.take(place, found)) is not None:
                self._hold(place, held)

    def _hold(self, place: LogPartition, held: Held) -> None:
        """Read a partition no further for a while; what stands before goes on as ever."""
        self._held_until[place] = self._clock.monotonic() + self._own.newer_schema_retry_seconds
        self.consumer.rewind(place, held.offset)
        self._tally.held(place)
        _LOG.warning("partition held", **place._asdict(), offset=held.offset, reason=held.reason)

    def _note_gap(self, place: LogPartition, records: int) -> None:
        self._tally.gap(place, records)
        _LOG.error("records are gone", **place._asdict(), records=records)

    async def _revoke(self) -> None:
        """Have the loop hand its partitions over; called before they go to another member."""
        if self._is_leaving:
            return
        self._revoking = asyncio.get_running_loop().create_future()
        self.wake()
        await self._revoking

    async def _hand_over(self, work: Work, revoking: "asyncio.Future[None]") -> None:
        try:
            await work.hand_over()
            await self._forget(work)
        finally:
            self._revoking = None
            if not revoking.done():
                revoking.set_result(None)

    async def _leave(self, work: Work) -> None:
        self._is_leaving = True
        if self._revoking is not None:
            self._revoking.cancel()
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})
        try:
            await work.drain()
        finally:
            await self._forget(work)
            await self.consumer.stop()

    async def _forget(self, work: Work) -> None:
        await work.forget()
        self._held_until.clear()
