import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest
from aiokafka import TopicPartition

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.kafka.packing import pack
from pipeline.adapters.kafka.partitioner import partition_of
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.errors import BrokerUnavailable, TooLarge
from pipeline.events.envelope import Record, headers_of
from pipeline.local.process import free_port
from pipeline.settings import KafkaSettings
from pipeline.topics import RECORD_BYTES_MAX, TRACES, Topic
from tests.integration.adapters.kafka.conftest import Broker
from tests.support.kafka_topics import create_topic, read

pytestmark = pytest.mark.asyncio(loop_scope="module")

TASKS = 50
RECORDS_PER_TASK = 40
SECONDS_MAX = 120.0
PATIENT_MS = 60_000  # a broker that has just begun is slow to lead its partitions
Answer = TypeVar("Answer")


@pytest.fixture
def broker(emptied_broker: Broker) -> Broker:
    return emptied_broker


async def within(step: Awaitable[Answer]) -> Answer:
    async with asyncio.timeout(SECONDS_MAX):
        return await step


async def until(condition: Callable[[], bool]) -> None:
    """Let the other tasks of this event loop run until they have come so far."""
    async with asyncio.timeout(SECONDS_MAX):
        while not condition():  # noqa: ASYNC110 - no event tells of a step inside of the producer
            await asyncio.sleep(0)


def impatient(settings: KafkaSettings) -> KafkaSettings:
    return settings.model_copy(update={"request_timeout_ms": 1000})


async def started(settings: KafkaSettings) -> EventProducer:
    await ensure_topics(settings.model_copy(update={"request_timeout_ms": PATIENT_MS}), SystemClock())
    producer = EventProducer(settings, client_id="test")
    await producer.start()
    await producer.partitions(TRACES)  # it knows the topic, as one that has published before
    return producer


@contextmanager
def paused(broker: Broker) -> Iterator[None]:
    """The broker stands still: the signal is sent at once, but its many threads first end what they are at."""
    broker.process.send_signal(signal.SIGSTOP)
    try:
        os.waitid(os.P_PID, broker.process.pid, os.WSTOPPED)
        yield
    finally:
        broker.process.send_signal(signal.SIGCONT)


def record(value: bytes, *, partition: int | None = None, key: bytes | None = None) -> Record:
    return Record(key, value, headers_of("trace"), partition)


async def test_what_many_tasks_publish_is_there_once_and_in_the_order_of_each(
    broker: Broker, settings: KafkaSettings
) -> None:
    producer = await started(settings)

    async def write(task: int) -> None:
        for number in range(0, RECORDS_PER_TASK, 4):
            await producer.publish(
                TRACES, [record(b"%d/%d" % (task, number + step), partition=step) for step in range(4)]
            )

    await within(asyncio.gather(*(write(task) for task in range(TASKS))))
    await producer.stop()

    for partition in range(4):
        values = [
            tuple(map(int, found.value.split(b"/")))
            for found in await read(broker.bootstrap, TRACES.name, TASKS * RECORDS_PER_TASK // 4, partition=partition)
        ]
        for task in range(TASKS):
            assert [number for writer, number in values if writer == task] == list(
                range(partition, RECORDS_PER_TASK, 4)
            )


async def test_a_record_stands_where_its_key_says_with_key_value_and_headers(
    broker: Broker, settings: KafkaSettings
) -> None:
    producer = await started(settings)
    key = b"thread\tdefault\tx\tchat"
    sent = Record(key, b"{}", (*headers_of("close"), ("reply-to", b"3"), ("request-id", b"\xff\x00")))
    await within(producer.publish(TRACES, [sent]))
    await producer.stop()
    [found] = await read(broker.bootstrap, TRACES.name, 1, partition=partition_of(key, 4))

    assert Record(found.key, found.value, tuple(found.headers)) == sent


async def test_big_records_go_through_beside_small_ones(broker: Broker, settings: KafkaSettings) -> None:
    producer = await started(settings)
    sizes = [10, 10 * 1024 * 1024, 20, 12 * 1024 * 1024, 30]
    await within(producer.publish(TRACES, [record(b"x" * size, partition=0) for size in sizes]))
    await producer.stop()

    assert [len(found.value) for found in await read(broker.bootstrap, TRACES.name, 5)] == sizes


async def test_a_record_over_the_limit_is_refused_and_nothing_is_published(
    broker: Broker, settings: KafkaSettings
) -> None:
    producer = await started(settings)
    with pytest.raises(TooLarge, match="traces"):
        await producer.publish(TRACES, [record(b"small", partition=0), record(b"x" * RECORD_BYTES_MAX, partition=0)])
    await within(producer.publish(TRACES, [record(b"next", partition=0)]))
    await producer.stop()

    [first] = await read(broker.bootstrap, TRACES.name, 1)
    assert first.value == b"next"


async def test_nothing_to_publish_asks_nobody() -> None:
    await EventProducer(KafkaSettings(bootstrap="127.0.0.1:1"), client_id="test").publish(TRACES, [])


async def test_a_producer_that_is_not_started_says_so() -> None:
    producer = EventProducer(KafkaSettings(bootstrap="127.0.0.1:1"), client_id="test")
    with pytest.raises(BrokerUnavailable, match="not started"):
        await producer.publish(TRACES, [record(b"x")])


async def test_no_broker_is_told_at_the_start() -> None:
    with pytest.raises(BrokerUnavailable, match="no Kafka at"):
        await EventProducer(KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}"), client_id="test").start()


async def test_a_partition_that_is_not_there_fails_those_who_wait_for_it_and_nobody_else(
    broker: Broker, settings: KafkaSettings
) -> None:
    producer = await started(settings)
    wrong = [asyncio.create_task(producer.publish(TRACES, [record(b"x", partition=99)])) for _ in range(3)]
    right = asyncio.create_task(producer.publish(TRACES, [record(b"right", partition=0)]))
    outcomes = await within(asyncio.gather(*wrong, right, return_exceptions=True))
    await within(producer.stop())

    assert [type(outcome) for outcome in outcomes] == [AssertionError] * 3 + [type(None)]
    assert [found.value for found in await read(broker.bootstrap, TRACES.name, 1)] == [b"right"]


async def test_a_killed_broker_fails_every_call_and_none_hangs(broker: Broker, settings: KafkaSettings) -> None:
    producer = await started(impatient(settings))
    await broker.kill()
    calls = [producer.publish(TRACES, [record(b"x", partition=number % 4)]) for number in range(20)]
    outcomes = await within(asyncio.gather(*calls, return_exceptions=True))
    await within(producer.stop())

    assert {type(outcome) for outcome in outcomes} == {BrokerUnavailable}
    assert "traces/" in str(outcomes[0])


async def test_a_broker_that_came_back_is_used_again(broker: Broker, settings: KafkaSettings) -> None:
    producer = await started(impatient(settings))
    await broker.kill()
    with pytest.raises(BrokerUnavailable):
        await within(producer.publish(TRACES, [record(b"lost", partition=0)]))
    await broker.start()
    await ensure_topics(settings, SystemClock())
    await within(producer.publish(TRACES, [record(b"found", partition=0)]))
    await producer.stop()

    found = await read(broker.bootstrap, TRACES.name, 1)
    assert found[-1].value == b"found"


async def test_a_cancelled_call_takes_back_what_was_not_sent(broker: Broker, settings: KafkaSettings) -> None:
    producer = await started(settings)
    with paused(broker):
        first = asyncio.create_task(producer.publish(TRACES, [record(b"first", partition=0)]))
        await until(lambda: bool(producer._senders) and not producer._gathered)  # the first is on its way
        second = asyncio.create_task(producer.publish(TRACES, [record(b"second", partition=0)]))
        third = asyncio.create_task(producer.publish(TRACES, [record(b"third", partition=0)]))
        await until(lambda: len(producer._gathered.get((TRACES.name, 0), ())) == 2)
        second.cancel()
        await asyncio.wait({second})
    await within(asyncio.gather(first, third))
    await producer.stop()

    assert second.cancelled()
    assert [found.value for found in await read(broker.bootstrap, TRACES.name, 2)] == [b"first", b"third"]


async def test_a_broker_that_does_not_answer_holds_up_the_stop_for_a_bounded_time(
    broker: Broker, settings: KafkaSettings
) -> None:
    producer = await started(impatient(settings))
    with paused(broker):
        calls = [asyncio.create_task(producer.publish(TRACES, [record(b"x", partition=number)])) for number in range(4)]
        await until(lambda: len(producer._senders) == 4)
        async with asyncio.timeout(120):
            await asyncio.gather(producer.stop(), return_exceptions=True)
            outcomes = await asyncio.gather(*calls, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {BrokerUnavailable}


async def test_a_topic_known_from_the_start_is_still_known_after_another_was_looked_up(settings: KafkaSettings) -> None:
    producer = await started(settings)
    await within(producer.publish(TRACES, [record(b"first", partition=0)]))

    other = Topic("made-later", key="none", holds="nothing", partitions=1)
    await create_topic(settings.bootstrap, other.name)
    await within(producer.publish(other, [record(b"elsewhere", partition=0)]))

    # Without the leader of a partition its batches wait for a look-up that nobody asks for.
    assert producer._producer is not None
    assert producer._producer.client.cluster.leader_for_partition(TopicPartition(TRACES.name, 0)) is not None
    await within(producer.publish(TRACES, [record(b"second", partition=0)]))
    await producer.stop()


async def test_records_come_back_unchanged_in_every_compression_and_take_less_room(
    broker: Broker, settings: KafkaSettings
) -> None:
    prose = [b"the answer to question %d is in the second part of the document" % number for number in range(200)]
    sizes: dict[str, int] = {}
    for count, codec in enumerate(("none", "gzip", "snappy", "lz4", "zstd"), start=1):
        producer = await started(settings.model_copy(update={"compression": codec}))
        records = [record(value, partition=0) for value in prose]
        await within(producer.publish(TRACES, records))
        [batch] = pack(producer._connected(), records, last_record_alone=False)
        sizes[codec] = len(batch._build())
        await producer.stop()

        stored = await within(read(broker.bootstrap, TRACES.name, count * len(prose), partition=0))
        assert [one.value for one in stored[-len(prose) :]] == prose
    assert max(size for codec, size in sizes.items() if codec != "none") < sizes["none"] / 2
