"""How far the logs reach, and how far a group has come."""

import asyncio
from collections.abc import Iterable
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, GroupLoadInProgressError, KafkaError

from pipeline.adapters.kafka.admin import check_topics, partitions_of
from pipeline.adapters.kafka.closing import close_consumer
from pipeline.adapters.kafka.connection import connection_of
from pipeline.errors import BrokerUnavailable
from pipeline.settings import KafkaSettings
from pipeline.topics import Topic

_RETRY_SECONDS: Final = 0.1


class Bounds(NamedTuple):
    """One partition: its first offset, the offset after its last record, and the group's committed offset."""

    begin: int
    end: int
    committed: int


async def read_bounds(settings: KafkaSettings, topics: Iterable[Topic], group: str) -> dict[str, list[Bounds]]:
    """Return the bounds of every partition of `topics`, in partition order, for one consumer group.

    Where the group has committed nothing, `committed` is `begin`. Raises SchemaMismatch where a declared topic is
    missing, and BrokerUnavailable where Kafka does not answer.
    """
    await check_topics(settings)
    consumer = AIOKafkaConsumer(
        **connection_of(settings),
        enable_auto_commit=False,
        request_timeout_ms=settings.request_timeout_ms,
    )
    admin = AIOKafkaAdminClient(
        **connection_of(settings),
        client_id="threadline-offsets",
        request_timeout_ms=settings.request_timeout_ms,
    )
    try:
        await consumer.start()
        await admin.start()
        found: dict[str, list[Bounds]] = {}
        for topic in topics:
            places = [TopicPartition(topic.name, number) for number in range(partitions_of(topic, settings))]
            # Committed first: what is below it now is settled, whatever happens afterwards.
            committed = await _committed(admin, group, places, settings.request_timeout_ms / 1000)
            begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
            found[topic.name] = [
                Bounds(begins[place], ends[place], max(begins[place], _offset(committed, place))) for place in places
            ]
    except (KafkaError, TimeoutError) as error:
        raise BrokerUnavailable(f"no Kafka at {settings.bootstrap}: {error!r}") from error
    finally:
        await admin.close()
        await close_consumer(consumer)
    return found


async def _committed(
    admin: AIOKafkaAdminClient, group: str, places: list[TopicPartition], seconds_max: float
) -> dict[TopicPartition, object]:
    """Return what `group` has committed; a new cluster makes the group's coordinator only when it is asked for."""
    async with asyncio.timeout(seconds_max):
        while True:
            try:
                committed: dict[TopicPartition, object] = await admin.list_consumer_group_offsets(
                    group, partitions=places
                )
            except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError):
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return committed


def _offset(committed: dict[TopicPartition, object], place: TopicPartition) -> int:
    offset = getattr(committed.get(place), "offset", -1)
    return -1 if offset is None else int(offset)
