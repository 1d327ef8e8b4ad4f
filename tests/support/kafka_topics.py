"""Topics and records for tests that talk to a broker directly."""

import asyncio
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code
from aiokafka.structs import ConsumerRecord

READ_SECONDS_MAX = 90.0


async def create_topic(
    bootstrap: str, topic: str, *, partitions: int = 1, settings: Mapping[str, str] | None = None
) -> None:
    """Create one topic; raises the broker's error (aiokafka's client alone would only return its code)."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        response = await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=dict(settings or {}))])
    finally:
        await admin.close()
    for name, code, message in response.topic_errors:
        if code != 0:
            raise for_code(code)(f"{name}: {message}")


async def produce(
    bootstrap: str, topic: str, values: Sequence[bytes], *, partition: int = 0, sent_at_ms: int | None = None
) -> list[int]:
    """Append `values` in order, each as a batch of its own and acknowledged; return their offsets."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=56 * 1024 * 1024)
    await producer.start()
    try:
        return [
            (await producer.send_and_wait(topic, value, partition=partition, timestamp_ms=sent_at_ms)).offset
            for value in values
        ]
    finally:
        await producer.stop()


async def read(bootstrap: str, topic: str, count: int, *, partition: int = 0) -> list[ConsumerRecord]:
    """Return the first `count` records of a partition; raises TimeoutError if there are not as many."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=50)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, partition)])
        async with asyncio.timeout(READ_SECONDS_MAX):
            return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


async def commit_and_fetch(bootstrap: str, group: str, topic: str, offset: int) -> int | None:
    """Commit `offset` of partition 0 for `group`, and return what another consumer of the group finds committed."""
    partition = TopicPartition(topic, 0)
    for committing in (True, False):
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign([partition])
            if not committing:
                committed: int | None = await consumer.committed(partition)
                return committed
            await consumer.commit({partition: offset})
        finally:
            await consumer.stop()
    return None
