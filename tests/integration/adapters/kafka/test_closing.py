import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.kafka.closing import close_consumer
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.reader import read_from_start
from pipeline.events.envelope import Record, headers_of
from pipeline.settings import KafkaSettings
from pipeline.topics import TRACES
from tests.integration.adapters.kafka.conftest import Broker
from tests.support.waiting import eventually

FETCH_FAILS_SECONDS = 0.5
STOP_SECONDS_MAX = 120.0


@pytest.fixture
async def consumer(settings: KafkaSettings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that fetches from a partition without records."""
    await ensure_topics(settings, SystemClock())
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )

    async def fetched_from() -> bool:
        assert await consumer.getmany(timeout_ms=100) == {}
        return is_connected(consumer)

    try:
        await consumer.start()
        consumer.assign([TopicPartition(TRACES.name, 0)])
        await eventually(fetched_from, bool)
        yield consumer
    finally:
        await close_consumer(consumer)


def is_connected(consumer: AIOKafkaConsumer) -> bool:
    return any(connection.connected() for connection in consumer._client._conns.values())


async def test_a_consumer_whose_broker_is_there_is_closed(consumer: AIOKafkaConsumer) -> None:
    await close_consumer(consumer)

    assert not is_connected(consumer)


async def test_a_consumer_whose_broker_is_gone_is_closed_and_its_caller_goes_on(
    broker: Broker, consumer: AIOKafkaConsumer
) -> None:
    await broker.kill()
    await consumer.getmany(timeout_ms=int(FETCH_FAILS_SECONDS * 1000))  # a fetch fails, and waits to be tried again

    async with asyncio.timeout(STOP_SECONDS_MAX):
        await close_consumer(consumer)

    assert not is_connected(consumer)


async def test_who_reads_from_the_start_can_stop_after_the_broker_is_gone(
    broker: Broker, settings: KafkaSettings
) -> None:
    await ensure_topics(settings, SystemClock())
    async with EventProducer(settings, client_id="test") as producer:
        await producer.publish(TRACES, [Record(b"k", b"v", headers_of("trace"))])

    async with asyncio.timeout(STOP_SECONDS_MAX), aclosing(read_from_start(settings, TRACES)) as polls:
        await anext(polls)
        await broker.kill()
        await asyncio.sleep(FETCH_FAILS_SECONDS)  # polls: nothing tells that a fetch has failed
