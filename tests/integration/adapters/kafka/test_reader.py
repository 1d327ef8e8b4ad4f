import asyncio
from contextlib import aclosing

import pytest

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.kafka.consumer import LogPartition
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.reader import append_times, read_from_start, read_to_end
from pipeline.errors import BrokerUnavailable
from pipeline.events.envelope import Record, headers_of
from pipeline.local.process import free_port
from pipeline.settings import KafkaSettings
from pipeline.topics import TRACES
from tests.integration.adapters.kafka.conftest import Broker

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECORDS = 1000
SECONDS_MAX = 120.0


@pytest.fixture
def broker(emptied_broker: Broker) -> Broker:
    return emptied_broker


async def test_every_record_comes_once_and_in_the_order_of_its_partition(settings: KafkaSettings) -> None:
    await ensure_topics(settings, SystemClock())
    async with EventProducer(settings, client_id="test") as producer:
        await producer.publish(
            TRACES, [Record(b"%d" % number, b"%d" % number, headers_of("trace")) for number in range(RECORDS)]
        )
    found: list[int] = []
    async with asyncio.timeout(SECONDS_MAX), aclosing(read_from_start(settings, TRACES)) as polls:
        async for records in polls:
            offsets = [record.offset for record in records]
            assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
            found += [int(record.value or b"") for record in records]
            if len(found) >= RECORDS:
                break

    assert sorted(found) == list(range(RECORDS))


async def test_what_stands_behind_the_starts_comes_up_to_the_end(settings: KafkaSettings) -> None:
    await ensure_topics(settings, SystemClock())
    assert [run async for run in read_to_end(settings, TRACES)] == []
    async with EventProducer(settings, client_id="test") as producer:
        records = [Record(None, b"%d" % number, headers_of("trace"), 1) for number in range(5)]
        await producer.publish(TRACES, records)
    for start, expected in ((0, [b"0", b"1", b"2", b"3", b"4"]), (3, [b"3", b"4"]), (5, [])):
        runs = [run async for run in read_to_end(settings, TRACES, starts={1: start})]
        assert {partition for partition, _ in runs} <= {1}
        assert [record.value for _, found in runs for record in found] == expected


async def test_append_times_are_those_of_the_records_that_stand_at_the_offsets(settings: KafkaSettings) -> None:
    await ensure_topics(settings, SystemClock())
    async with EventProducer(settings, client_id="test") as producer:
        for number in range(3):
            await producer.publish(TRACES, [Record(None, b"%d" % number, headers_of("trace"), 1)])
    [(_, first), *more] = [run async for run in read_to_end(settings, TRACES)]
    stamps = [record.timestamp for records in (first, *(records for _, records in more)) for record in records]

    ours = LogPartition(TRACES.name, 1)
    assert [await append_times(settings, {ours: offset}) for offset in range(4)] == [
        *({ours: stamp} for stamp in stamps),
        {},
    ]
    assert await append_times(settings, {ours: 1, LogPartition(TRACES.name, 0): 0}) == {ours: stamps[1]}


async def test_a_broker_that_is_not_there_is_said_to_be_unavailable() -> None:
    nowhere = KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}", request_timeout_ms=1000)

    with pytest.raises(BrokerUnavailable, match="traces could not be read"):
        async for _ in read_from_start(nowhere, TRACES):
            pass
    with pytest.raises(BrokerUnavailable, match="traces could not be read"):
        async for _ in read_to_end(nowhere, TRACES):
            pass
    with pytest.raises(BrokerUnavailable, match="no append times"):
        await append_times(nowhere, {LogPartition(TRACES.name, 0): 0})
