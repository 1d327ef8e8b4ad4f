"""Read topics as a member of a consumer group, and commit only when told.

What is committed carries the id of the log it was read from, as metadata: where a topic was deleted and made anew, the
old offset means nothing, and reading begins at the start. Where retention took records before they were read, reading
goes on with the oldest that is left, and how many are gone is reported.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from pipeline.adapters.kafka.admin import read_log_ids
from pipeline.adapters.kafka.closing import close_consumer
from pipeline.adapters.kafka.connection import connection_of
from pipeline.adapters.kafka.lean import give_lean_records
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import BrokerUnavailable, SchemaMismatch
from pipeline.settings import KafkaSettings
from pipeline.topics import Topic

_LOG: Final = logger(__name__)
_POLL_INTERVAL_MS_MAX: Final = 24 * 3600 * 1000
"""Between two fetches. Waiting for storage is no fault, so the group must not expel us for it; a loop that hangs is
found by liveness."""
_MARKERS_SECONDS: Final = 1.0
_PARTITION_BYTES_MAX: Final = 1024 * 1024
"""Of one answer, so that a long backlog of one partition leaves room for the others. A larger record comes alone."""


class LogPartition(NamedTuple):
    """One partition of a topic."""

    topic: str
    partition: int


class LogRecord(Protocol):
    """A record as it was read. `timestamp` is when the broker appended it, in milliseconds since 1970 UTC."""

    @property
    def offset(self) -> int:
        """Where it stands in its partition."""

    @property
    def timestamp(self) -> int:
        """When the broker appended it, in milliseconds since 1970 UTC."""

    @property
    def key(self) -> bytes | None:
        """What its partition was chosen by."""

    @property
    def value(self) -> bytes | None:
        """The event."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """What it is: see `Headers`."""


class Fetched(NamedTuple):
    """Records of one partition, in order, and the offsets they were fetched from: `next_offset` is excluded.

    The offsets without a record hold the markers of transactions, or what was rolled back.
    """

    records: Sequence[LogRecord]
    offset: int
    next_offset: int


class Start(NamedTuple):
    """Where reading begins, and how many records are gone that should have been read before."""

    offset: int
    gap: int


def start_of(committed: int | None, *, is_same_log: bool, begin: int, end: int) -> Start:
    """Return where to begin in a partition that holds the offsets `begin` to `end`, the latter excluded.

    An offset of another log, or beyond the end, says nothing about this one.
    """
    if committed is None or not is_same_log or committed > end:
        return Start(begin, 0)
    return Start(max(begin, committed), max(0, begin - committed))


class EventConsumer:
    """A member of a consumer group. One task may call `fetch` and `commit`; the callbacks run beside it.

    `on_assigned` is called when partitions were taken over, `on_revoked` is awaited before they go to another member,
    `on_gap` hears of records that are gone.
    Methods raise BrokerUnavailable where Kafka does not answer.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[Topic],
        *,
        group: str,
        instance_id: str | None,
        fetch_bytes_max: int,
        on_assigned: Callable[[], None],
        on_revoked: Callable[[], Awaitable[None]],
        on_gap: Callable[[LogPartition, int], None],
    ) -> None:
        self._settings: Final = settings
        self._topics: Final = [topic.name for topic in topics]
        self._group: Final = group
        self._on_assigned: Final = on_assigned
        self._on_revoked: Final = on_revoked
        self._on_gap: Final = on_gap
        self._unplaced: set[LogPartition] = set()
        self._generation = 0
        self._next: dict[LogPartition, int] = {}
        self._looked_at = 0.0
        self._log_ids: dict[str, UUID] = {}
        self.assigned: frozenset[LogPartition] = frozenset()
        self._consumer: Final = AIOKafkaConsumer(
            **connection_of(settings),
            client_id=group,
            group_id=group,
            group_instance_id=instance_id,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_bytes=fetch_bytes_max,
            max_partition_fetch_bytes=min(_PARTITION_BYTES_MAX, fetch_bytes_max),
            max_poll_interval_ms=_POLL_INTERVAL_MS_MAX,
            rebalance_timeout_ms=settings.session_timeout_ms * 3,
            request_timeout_ms=settings.request_timeout_ms,
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=settings.heartbeat_interval_ms,
        )

    async def start(self) -> None:
        """Connect and join the group; raises SchemaMismatch where a topic has no log id yet."""
        self._log_ids = await read_log_ids(self._settings)
        try:
            await self._consumer.start()
        except KafkaError as error:
            await close_consumer(self._consumer)
            raise BrokerUnavailable(f"no Kafka at {self._settings.bootstrap}: {error!r}") from error
        give_lean_records(self._consumer)
        self._consumer.subscribe(self._topics, listener=_Listener(self))

    async def stop(self) -> None:
        """Leave the group, unless this is a static member, and disconnect."""
        await close_consumer(self._consumer)

    def log_id(self, topic: str) -> UUID:
        """Return the id of the log that `topic` is."""
        return self._log_ids[topic]

    async def fetch(
        self, wanted: Collection[LogPartition], *, records_max: int, timeout_seconds: float
    ) -> Mapping[LogPartition, Fetched]:
        """Return what was fetched of `wanted` partitions; nothing if nothing came within `timeout_seconds`.

        Partitions that are not wanted keep what was fetched for them. Raises SchemaMismatch where a topic was made
        anew since the start.
        """
        try:
            if self._unplaced:
                await self._place(frozenset(self._unplaced))
            generation = self._generation
            batches = await self._consumer.getmany(
                *(TopicPartition(*place) for place in wanted),
                timeout_ms=int(timeout_seconds * 1000),
                max_records=records_max,
            )
        except OffsetOutOfRangeError as error:
            self._unplaced |= {LogPartition(*place) for place in error.args[0]}
            return {}
        except NoOffsetForPartitionError as error:
            self._unplaced.add(LogPartition(*error.args[0]))
            return {}
        except KafkaError as error:
            raise BrokerUnavailable(f"no records from {self._settings.bootstrap}: {error!r}") from error
        if generation != self._generation:
            return {}  # a rebalance came in between; what was read is read again from its committed offset
        return await self._fetched(wanted, {LogPartition(*place): records for place, records in batches.items()})

    async def _fetched(
        self, wanted: Collection[LogPartition], batches: Mapping[LogPartition, Sequence[LogRecord]]
    ) -> dict[LogPartition, Fetched]:
        """Add the offsets; of partitions without records now and then, since only markers may have come there."""
        now = asyncio.get_running_loop().time()
        places: Collection[LogPartition] = batches
        if now >= self._looked_at + _MARKERS_SECONDS:
            self._looked_at = now
            places = {*batches, *wanted}
        found: dict[LogPartition, Fetched] = {}
        for place in places:
            offset = self._next.get(place)
            if offset is None:
                continue  # not placed yet
            next_offset = await self._consumer.position(TopicPartition(*place))
            if next_offset > offset:
                found[place] = Fetched(batches.get(place, ()), offset, next_offset)
                self._next[place] = next_offset
        return found

    async def commit(self, offsets: Mapping[LogPartition, int]) -> bool:
        """Commit the next offsets to read of partitions that are still ours; return False where none could be.

        A commit that comes too late for its generation is dropped: the new owner reads those records again.
        """
        committable = {
            TopicPartition(*place): (offset, str(self._log_ids[place.topic]))
            for place, offset in offsets.items()
            if place in self.assigned
        }
        if not committable:
            return False
        try:
            async with asyncio.timeout(self._settings.request_timeout_ms / 1000):
                await self._consumer.commit(committable)
        except (CommitFailedError, IllegalStateError) as error:
            _LOG.info("commit dropped: the assignment has changed", partitions=len(committable), error=repr(error))
            return False
        except (KafkaError, TimeoutError) as error:
            raise BrokerUnavailable(f"offsets were not committed: {error!r}") from error
        return True

    def rewind(self, place: LogPartition, offset: int) -> None:
        """Read a partition again from `offset` on; nothing if it is not ours any more."""
        if place in self.assigned:
            self._consumer.seek(TopicPartition(*place), offset)
            self._next[place] = offset

    async def _place(self, places: frozenset[LogPartition]) -> None:
        """Set the position of newly assigned partitions, and of those whose position is out of range."""
        generation = self._generation
        log_ids = await read_log_ids(self._settings)
        renewed = [topic for topic in self._topics if log_ids[topic] != self._log_ids[topic]]
        if renewed:
            raise SchemaMismatch(f"{', '.join(renewed)} was deleted and made anew: this process must start again")
        ours = [TopicPartition(*place) for place in places if place in self.assigned]
        committed = await self._committed(ours)
        begins, ends = await self._consumer.beginning_offsets(ours), await self._consumer.end_offsets(ours)
        if generation != self._generation:
            return  # a rebalance came in between; the next fetch places what is ours then
        for place in ours:
            offset, metadata = committed.get(place, (None, ""))
            is_same_log = metadata in {"", str(log_ids[place.topic])}
            start = start_of(offset, is_same_log=is_same_log, begin=begins[place], end=ends[place])
            self._consumer.seek(place, start.offset)
            self._next[LogPartition(*place)] = start.offset
            if start.gap:
                self._on_gap(LogPartition(*place), start.gap)
        self._unplaced -= places

    async def _committed(self, places: list[Any]) -> dict[Any, tuple[int | None, str]]:
        if not places:
            return {}
        admin = AIOKafkaAdminClient(**connection_of(self._settings), client_id=self._group)
        try:
            await admin.start()
            found = await admin.list_consumer_group_offsets(self._group, partitions=places)
        finally:
            await admin.close()
        return {place: (entry.offset if entry.offset >= 0 else None, entry.metadata) for place, entry in found.items()}

    async def revoked(self) -> None:
        """Let the owner of this consumer finish, then give the partitions up."""
        await self._on_revoked()
        self._generation += 1
        self.assigned = frozenset()
        self._unplaced.clear()
        self._next.clear()

    def placed(self, places: Iterable[LogPartition]) -> None:
        """Take partitions over; the next `fetch` sets their positions."""
        self._generation += 1
        self.assigned = frozenset(places)
        self._unplaced = set(self.assigned)
        self._on_assigned()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # the library has no types
    """What aiokafka calls around a rebalance; it logs and swallows what these raise, so they must not."""

    def __init__(self, consumer: EventConsumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        if list(revoked):
            await self._consumer.revoked()

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        self._consumer.placed(LogPartition(*place) for place in assigned)
