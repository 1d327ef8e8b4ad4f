"""Apache Kafka as the tests use it; what is a defect of the embedded broker is right here."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from tests.apache_kafka.broker import ApacheKafka
from tests.support.broker_suite import BrokerSuite
from tests.support.kafka_topics import commit_and_fetch, create_topic, produce, read

pytestmark = pytest.mark.asyncio(loop_scope="module")

SENT_AT_MS = 1_600_000_000_000


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApacheKafka]:
    broker = ApacheKafka(tmp_path_factory.mktemp("apache-kafka"))
    await broker.start()
    yield broker
    await broker.kill()


class TestApacheKafka(BrokerSuite):
    """The tests that the embedded broker passes, too."""


async def test_append_time_replaces_the_producers_time(broker: ApacheKafka) -> None:
    await create_topic(broker.bootstrap, "times", settings={"message.timestamp.type": "LogAppendTime"})
    before_ms = time.time_ns() // 1_000_000  # noqa: TID251 - the broker's clock is this machine's
    await produce(broker.bootstrap, "times", [b"x"], sent_at_ms=SENT_AT_MS)
    [record] = await read(broker.bootstrap, "times", 1)
    assert before_ms <= record.timestamp <= before_ms + 60_000
    assert record.timestamp_type == 1


async def test_the_end_offset_counts_the_whole_last_batch(broker: ApacheKafka) -> None:
    await create_topic(broker.bootstrap, "ends")
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await producer.start()
    batch = producer.create_batch()
    for _ in range(5):
        batch.append(key=None, value=b"x", timestamp=None)
    await (await producer.send_batch(batch, "ends", partition=0))
    await producer.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap)
    await consumer.start()
    ends = await consumer.end_offsets([TopicPartition("ends", 0)])
    await consumer.stop()
    assert list(ends.values()) == [5]


async def test_the_text_committed_with_an_offset_comes_back(broker: ApacheKafka) -> None:
    await create_topic(broker.bootstrap, "texts")
    partition = TopicPartition("texts", 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, group_id="texts", enable_auto_commit=False)
    await consumer.start()
    consumer.assign([partition])
    await consumer.commit({partition: OffsetAndMetadata(3, "a text")})
    found = await consumer._coordinator.fetch_committed_offsets([partition])
    await consumer.stop()
    assert found[partition] == OffsetAndMetadata(3, "a text")


async def test_a_transaction_is_read_whole_or_not_at_all(broker: ApacheKafka) -> None:
    await create_topic(broker.bootstrap, "transactions")
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id="writer")
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait("transactions", b"aborted", partition=0)
    await producer.abort_transaction()
    async with producer.transaction():
        await producer.send_and_wait("transactions", b"committed", partition=0)
    await producer.stop()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    consumer.assign([TopicPartition("transactions", 0)])
    first = await consumer.getone()
    await consumer.stop()
    assert first.value == b"committed"


async def test_stopped_or_killed_it_keeps_its_records_and_offsets(tmp_path: Path) -> None:
    broker = ApacheKafka(tmp_path / "kept")
    await broker.start()
    try:
        await create_topic(broker.bootstrap, "kept")
        await produce(broker.bootstrap, "kept", [b"before"])
        assert await commit_and_fetch(broker.bootstrap, "keepers", "kept", 1) == 1
        for end in (broker.stop, broker.kill):
            await end()
            await broker.start()
            [record] = await read(broker.bootstrap, "kept", 1)
            assert record.value == b"before"
        assert await produce(broker.bootstrap, "kept", [b"after"]) == [1]
        assert await commit_and_fetch(broker.bootstrap, "keepers", "kept", 2) == 2
    finally:
        await broker.kill()
