# ruff: noqa: SLF001
"""Every private part of Faust, mode and aiokafka that the stream stage relies on, each named here and nowhere else.

The versions are pinned exactly in pyproject.toml; `tests/unit/stream/test_faust_internals.py` holds each of these to
what was found in them. What is overridden rather than called is a hook without an underscore, save the two listed at
the classes that override them (`FetchingThread._create_worker_consumer`, `BulkConsumer._drain_messages`,
`BulkConsumer._new_consumer_thread`).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata
from faust.types import TP

OVERRIDDEN: Final = (
    ("faust.transport.drivers.aiokafka", "Consumer", "_drain_messages", ("self", "fetcher")),
    ("faust.transport.drivers.aiokafka", "Consumer", "_new_consumer_thread", ("self",)),
    ("faust.transport.drivers.aiokafka", "AIOKafkaConsumerThread", "_create_worker_consumer", ("self", "transport")),
    ("faust.app.base", "App", "_new_transport", ("self",)),
)
"""Private methods that are overridden: module, class, name, parameters."""

_GROUP_HAS_MOVED_ON: Final = (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

CALLED: Final = (
    ("faust.transport.drivers.aiokafka", "Consumer", "_wait_next_records", ("self", "timeout")),
    ("faust.transport.drivers.aiokafka", "AIOKafkaConsumerThread", "_ensure_consumer", ("self",)),
    ("aiokafka.consumer.group_coordinator", "GroupCoordinator", "fetch_committed_offsets", ("self", "partitions")),
)
"""Private methods that are called: module, class, name, parameters."""


def client_of(consumer: Any) -> Any:
    """Return the Kafka client itself; raises faust's ConsumerNotStarted before the start."""
    return consumer._thread._ensure_consumer()


def bound_fetches(client: Any, *, fetch_bytes_max: int, wait_ms_max: int) -> None:
    """Bound what one fetch brings and how long the broker may hold it; to be called before the client starts.

    Faust hard-codes 1500 ms and cannot set the bytes.
    """
    client._fetch_max_bytes = fetch_bytes_max
    client._fetch_max_wait_ms = wait_ms_max


def read_committed_only(client: Any) -> None:
    """Leave out what stands in transactions that were not committed; to be called before the client starts.

    Faust ties this to its own `exactly_once`.
    """
    client._isolation_level = "read_committed"


async def next_records(consumer: Any, timeout_seconds: float) -> Mapping[Any, list[Any]]:
    """Wait for records of the partitions that are not paused."""
    records, _ = await consumer._wait_next_records(timeout_seconds)
    return records or {}


def position_of(consumer: Any, partition: TP) -> int | None:
    """Return the offset that will be read next, behind all control records; None while it is unknown."""
    assignment = client_of(consumer)._subscription.subscription.assignment
    place = TopicPartition(partition.topic, partition.partition)
    if assignment is None or place not in assignment.tps:
        return None
    state = assignment.state_value(place)
    return state.position if state.has_valid_position else None


async def fetch_committed(consumer: Any, partitions: Iterable[TP]) -> dict[int, tuple[int, str]]:
    """Return offset and metadata of the last commit of each partition, by number; none where nothing was committed."""
    places = [TopicPartition(partition.topic, partition.partition) for partition in partitions]
    coordinator = client_of(consumer)._coordinator
    found = await consumer._thread.call_thread(coordinator.fetch_committed_offsets, places)
    committed = {place.partition: entry for place, entry in found.items() if entry.offset >= 0}
    return {number: (entry.offset, entry.metadata or "") for number, entry in committed.items()}


def is_latest_recovery(table: Any, active_tps: Any) -> bool:
    """Tell whether the recovery that ended with these partitions is that of the latest assignment.

    Recovery hears of an assignment last; until then the one before may end. The set is made anew for each.
    """
    recovery = table.app.tables.recovery
    is_of_latest_heard: bool = recovery.actives_for_table[table] is active_tps
    return is_of_latest_heard and recovery._generation_id == table.app.consumer_generation_id


async def seek(consumer: Any, starts: Mapping[TP, int]) -> bool:
    """Read each partition from its offset on; return False where one is not assigned any more."""
    try:
        for place, offset in starts.items():
            await consumer.seek(place, offset)
    except IllegalStateError:
        return False
    return True


async def commit(consumer: Any, offsets: Mapping[TP, tuple[int, str]]) -> bool:
    """Commit offset and metadata of each partition; return False where the group has moved on meanwhile.

    Other Kafka errors are raised as they are.
    """
    places = {
        TopicPartition(partition.topic, partition.partition): OffsetAndMetadata(offset, metadata)
        for partition, (offset, metadata) in offsets.items()
    }
    try:
        await consumer._thread.call_thread(client_of(consumer).commit, places)
    except _GROUP_HAS_MOVED_ON:
        return False
    return True
