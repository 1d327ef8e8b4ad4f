"""Consumer groups from outside: who is in one, where it stands, and where it is to go on."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, NamedTuple
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    CommitFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NotCoordinatorForGroupError,
    for_code,
)

from pipeline.adapters.kafka.admin import partitions_of
from pipeline.adapters.kafka.closing import close_consumer
from pipeline.adapters.kafka.connection import connection_of
from pipeline.errors import BrokerUnavailable, Conflict
from pipeline.settings import KafkaSettings
from pipeline.topics import Topic

_RETRY_SECONDS: Final = 0.1
_COORDINATOR_MOVES: Final = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)
"""A new cluster makes the coordinator of a group when it is first asked for."""


class Committed(NamedTuple):
    """The next offset to read, and what the group noted with it."""

    offset: int
    metadata: str


async def members(settings: KafkaSettings, group: str) -> int:
    """Return how many members `group` has; raises BrokerUnavailable where Kafka does not answer."""
    async with _admin(settings) as admin:
        while True:
            try:
                [answer] = await admin.describe_consumer_groups([group])
                [(code, _, _, _, _, joined, *_)] = answer.groups
                error = for_code(code)
                if code != 0:
                    raise error(f"group {group}")
            except _COORDINATOR_MOVES:
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return len(joined)


async def committed(
    settings: KafkaSettings, group: str, topic: Topic, *, log_id: UUID | None = None
) -> dict[int, Committed]:
    """Return where `group` stands in `topic`, by partition, but for those of which it has committed nothing.

    Given a `log_id`, what the group noted to be of another log is left out. Raises BrokerUnavailable where Kafka does
    not answer.
    """
    places = [TopicPartition(topic.name, number) for number in range(partitions_of(topic, settings))]
    async with _admin(settings) as admin:
        while True:
            try:
                found = await admin.list_consumer_group_offsets(group, partitions=places)
            except _COORDINATOR_MOVES:
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return {
                    place.partition: Committed(entry.offset, entry.metadata or "")
                    for place, entry in found.items()
                    if entry.offset >= 0 and (log_id is None or entry.metadata in {None, "", str(log_id)})
                }


async def set_committed(settings: KafkaSettings, group: str, topic: Topic, places: Mapping[int, Committed]) -> None:
    """Let `group`, which must have no members, go on at `places`, by partition.

    Raises Conflict where it has members, and BrokerUnavailable where Kafka does not answer.
    """
    consumer = AIOKafkaConsumer(
        **connection_of(settings),
        group_id=group,
        enable_auto_commit=False,
        request_timeout_ms=settings.request_timeout_ms,
    )
    try:
        async with asyncio.timeout(settings.request_timeout_ms / 1000):
            await consumer.start()
            offsets = {TopicPartition(topic.name, number): tuple(place) for number, place in places.items()}
            consumer.assign(list(offsets))
            await consumer.commit(offsets)
    except CommitFailedError as error:
        raise Conflict(f"the group {group} has members: stop them first") from error
    except (KafkaError, TimeoutError) as error:
        raise BrokerUnavailable(f"the offsets of {group} could not be set: {error!r}") from error
    finally:
        await close_consumer(consumer)


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield a client that must be done within the request timeout."""
    admin = AIOKafkaAdminClient(
        **connection_of(settings),
        client_id="threadline-groups",
        request_timeout_ms=settings.request_timeout_ms,
    )
    try:
        async with asyncio.timeout(settings.request_timeout_ms / 1000):
            await admin.start()
            yield admin
    except (KafkaError, TimeoutError) as error:
        raise BrokerUnavailable(f"no Kafka at {settings.bootstrap}: {error!r}") from error
    finally:
        await admin.close()
