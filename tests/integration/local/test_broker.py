"""The embedded broker as the local profile uses it; its known defects stand here, so that a new version shows."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from pipeline.errors import BrokerUnavailable
from pipeline.local.broker import EmbeddedBroker
from pipeline.local.kafka_probe import count_brokers
from pipeline.local.process import free_port
from tests.support.broker_suite import BrokerSuite
from tests.support.kafka_topics import create_topic, produce, read

pytestmark = pytest.mark.asyncio(loop_scope="module")

SENT_AT_MS = 1_600_000_000_000


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def broker() -> AsyncIterator[EmbeddedBroker]:
    broker = EmbeddedBroker(free_port())
    await broker.start()
    yield broker
    await broker.stop()


class TestEmbeddedBroker(BrokerSuite):
    """The tests that Apache Kafka passes, too."""


async def test_defect_the_producers_time_stands_where_append_time_is_set(broker: EmbeddedBroker) -> None:
    await create_topic(broker.bootstrap, "times", settings={"message.timestamp.type": "LogAppendTime"})
    await produce(broker.bootstrap, "times", [b"x"], sent_at_ms=SENT_AT_MS)
    [record] = await read(broker.bootstrap, "times", 1)
    assert record.timestamp == SENT_AT_MS


async def test_defect_the_end_offset_is_short_by_all_but_one_of_the_last_batch(broker: EmbeddedBroker) -> None:
    await create_topic(broker.bootstrap, "short")
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await producer.start()
    batch = producer.create_batch()
    for _ in range(5):
        batch.append(key=None, value=b"x", timestamp=None)
    await (await producer.send_batch(batch, "short", partition=0))
    await producer.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap)
    await consumer.start()
    ends = await consumer.end_offsets([TopicPartition("short", 0)])
    await consumer.stop()
    assert list(ends.values()) == [1]
    assert len(await read(broker.bootstrap, "short", 5)) == 5


async def test_defect_the_text_committed_with_an_offset_is_lost(broker: EmbeddedBroker) -> None:
    await create_topic(broker.bootstrap, "texts")
    partition = TopicPartition("texts", 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, group_id="texts", enable_auto_commit=False)
    await consumer.start()
    consumer.assign([partition])
    await consumer.commit({partition: OffsetAndMetadata(3, "a text")})
    found = await consumer._coordinator.fetch_committed_offsets([partition])
    await consumer.stop()
    assert found[partition] == OffsetAndMetadata(3, "")


async def test_a_killed_broker_starts_again_on_its_port_and_is_empty() -> None:
    broker = EmbeddedBroker(free_port())
    await broker.start()
    await create_topic(broker.bootstrap, "forgotten")
    await broker.kill()
    with pytest.raises(OSError, match=str(broker.port)):
        await count_brokers(broker.port)
    await broker.start()
    await create_topic(broker.bootstrap, "forgotten")  # it would be refused if it were there
    await broker.stop()


async def test_a_port_in_use_is_named_in_the_error(broker: EmbeddedBroker) -> None:
    second = EmbeddedBroker(broker.port)
    with pytest.raises(BrokerUnavailable, match=f"127.0.0.1:{broker.port} is in use"):
        await second.start()
    assert await count_brokers(broker.port) == 1
