# ruff: noqa: SLF001
"""Every private part of Faust, mode and aiokafka that the stream stage relies on, each named here and nowhere else.

The versions are pinned exactly in pyproject.toml; `tests/unit/stream/test_faust_internals.py` holds each of these to
what was found in them. What is overridden rather than called is a hook without an underscore, save those of OVERRIDDEN.
"""

import asyncio
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
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
    ("aiokafka.consumer.group_coordinator", "GroupCoordinator", "ensure_coordinator_known", ("self",)),
    (
        "aiokafka.consumer.group_coordinator",
        "GroupCoordinator",
        "_do_commit_offsets",
        ("self", "assignment", "offsets"),
    ),
    ("aiokafka.producer.transaction_manager", "TransactionManager", "wait_for_transaction_end", ("self",)),
)
"""Private methods that are called: module, class, name, parameters."""


def client_of(consumer: Any) -> Any:
    """Return the Kafka client itself; raises faust's ConsumerNotStarted before the start."""
    return client_in(consumer._thread)


def client_in(thread: Any) -> Any:
    """Return the Kafka client that runs in a thread of Faust's; raises faust's ConsumerNotStarted before the start."""
    return thread._ensure_consumer()


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


def transaction_outcome(producer: Any) -> asyncio.Future[Any] | None:
    """Return the future that tells how a producer's last transaction ended, if it has ended.

    Only committing fetches it: that of a producer which is refused earlier would be logged by asyncio as lost.
    """
    waiter: asyncio.Future[Any] | None = producer._txn_manager.wait_for_transaction_end()
    return waiter if waiter is not None and waiter.done() else None


async def fetch_committed(consumer: Any, partitions: Iterable[TP]) -> dict[int, tuple[int, str]]:
    """Return offset and metadata of the last commit of each partition, by number; none where nothing was committed."""
    places = [TopicPartition(partition.topic, partition.partition) for partition in partitions]
    coordinator = client_of(consumer)._coordinator
    found = await consumer._thread.call_thread(coordinator.fetch_committed_offsets, places)
    committed = {place.partition: entry for place, entry in found.items() if entry.offset >= 0}
    return {number: (entry.offset, entry.metadata or "") for number, entry in committed.items()}


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

    The client's own `commit` goes on trying while the broker is away, and what it then sends bears the generation of
    that moment. If the worker has joined the group anew, the broker takes it, and an offset from before replaces the
    later one of whoever owned the partition in between. So what is sent here bears the generation in which it was
    asked for, and nothing is sent after the caller has given up. Other Kafka errors are raised as they are.
    """
    coordinator = client_of(consumer)._coordinator
    places = {
        TopicPartition(partition.topic, partition.partition): OffsetAndMetadata(offset, metadata)
        for partition, (offset, metadata) in offsets.items()
    }
    abandoned = threading.Event()
    try:
        committing = consumer._thread.call_thread(
            _commit_within, coordinator, places, coordinator.generation, abandoned
        )
        return bool(await committing)
    finally:
        abandoned.set()


async def _commit_within(
    coordinator: Any, places: Mapping[TopicPartition, OffsetAndMetadata], generation: int, abandoned: threading.Event
) -> bool:
    """Try until the broker has answered; runs in the thread of the Kafka client."""
    while True:
        await coordinator.ensure_coordinator_known()
        async with coordinator._commit_lock:
            # From here to the request being made there is no await. A negative generation is that of no member.
            if coordinator.generation != generation or generation < 0 or abandoned.is_set():
                return False
            try:
                await coordinator._do_commit_offsets(None, places)
            except _GROUP_HAS_MOVED_ON:
                return False
            except KafkaError as error:
                if not error.retriable:
                    raise
            else:
                return True
        await asyncio.sleep(coordinator._retry_backoff_ms / 1000)
