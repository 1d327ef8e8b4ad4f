"""What every broker must do, embedded or Apache Kafka: a test class inherits it and brings the fixture `broker`."""

import zlib
from typing import Protocol

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAlreadyExistsError

from tests.support.kafka_topics import commit_and_fetch, create_topic, produce, read

EVENT_BYTES_MAX = 48 * 1024 * 1024


class Broker(Protocol):
    """A broker that runs."""

    @property
    def bootstrap(self) -> str: ...


class BrokerSuite:
    async def test_records_come_back_in_order_from_each_partition(self, broker: Broker) -> None:
        await create_topic(broker.bootstrap, "ordered", partitions=2)
        for partition in (0, 1):
            values = [b"%d-%d" % (partition, number) for number in range(5)]
            assert await produce(broker.bootstrap, "ordered", values, partition=partition) == [0, 1, 2, 3, 4]
            records = await read(broker.bootstrap, "ordered", 5, partition=partition)
            assert [record.value for record in records] == values

    async def test_keys_headers_and_compressed_values_come_back_unchanged(self, broker: Broker) -> None:
        await create_topic(broker.bootstrap, "headers")
        headers = [("kind", b"\x00\xff"), ("kind", b"")]
        producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, compression_type="gzip")
        await producer.start()
        await producer.send_and_wait("headers", b"a" * 10_000, key=b"\xff\x00", headers=headers)
        await producer.stop()
        [record] = await read(broker.bootstrap, "headers", 1)
        assert (record.key, record.value, list(record.headers)) == (b"\xff\x00", b"a" * 10_000, headers)

    async def test_an_offset_committed_is_found_by_the_next_consumer(self, broker: Broker) -> None:
        await create_topic(broker.bootstrap, "committed")
        assert await commit_and_fetch(broker.bootstrap, "readers", "committed", 3) == 3

    async def test_the_largest_event_fits(self, broker: Broker) -> None:
        await create_topic(broker.bootstrap, "large", settings={"max.message.bytes": str(56 * 1024 * 1024)})
        value = bytes(range(256)) * (EVENT_BYTES_MAX // 256)
        await produce(broker.bootstrap, "large", [value])
        [record] = await read(broker.bootstrap, "large", 1)
        assert zlib.crc32(record.value) == zlib.crc32(value)

    async def test_a_topic_that_exists_is_refused(self, broker: Broker) -> None:
        await create_topic(broker.bootstrap, "twice")
        with pytest.raises(TopicAlreadyExistsError):
            await create_topic(broker.bootstrap, "twice")
