import pytest

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.kafka.offsets import Bounds, read_bounds
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.errors import BrokerUnavailable, SchemaMismatch
from pipeline.events.envelope import Record, headers_of
from pipeline.settings import KafkaSettings
from pipeline.topics import SINKS_GROUP, SPANS, STREAM_GROUP, TRACES
from tests.integration.adapters.kafka.conftest import Broker
from tests.support.kafka_topics import commit_and_fetch

EMPTY = Bounds(0, 0, 0)


async def publish(settings: KafkaSettings, counts: list[int]) -> None:
    await ensure_topics(settings, SystemClock())
    async with EventProducer(settings, client_id="test") as producer:
        await producer.publish(
            TRACES,
            [
                Record(None, b"%d" % number, headers_of("trace"), partition)
                for partition, count in enumerate(counts)
                for number in range(count)
            ],
        )


async def test_the_end_of_each_partition_counts_its_records(settings: KafkaSettings) -> None:
    await publish(settings, [5, 0, 1, 30])
    bounds = await read_bounds(settings, [TRACES, SPANS], SINKS_GROUP)

    assert bounds == {
        "traces": [Bounds(0, 5, 0), EMPTY, Bounds(0, 1, 0), Bounds(0, 30, 0)],
        "spans": [EMPTY] * 4,
    }


async def test_what_a_group_has_committed_is_its_own(broker: Broker, settings: KafkaSettings) -> None:
    await publish(settings, [5, 0, 0, 0])
    await commit_and_fetch(broker.bootstrap, SINKS_GROUP, TRACES.name, 3)
    sinks = await read_bounds(settings, [TRACES], SINKS_GROUP)
    stream = await read_bounds(settings, [TRACES], STREAM_GROUP)

    assert (sinks["traces"][0], stream["traces"][0]) == (Bounds(0, 5, 3), Bounds(0, 5, 0))


async def test_without_topics_there_are_no_bounds(settings: KafkaSettings) -> None:
    with pytest.raises(SchemaMismatch, match="migrate"):
        await read_bounds(settings, [TRACES], SINKS_GROUP)


async def test_a_broker_that_is_away_is_told_as_such(broker: Broker, settings: KafkaSettings) -> None:
    await publish(settings, [1, 0, 0, 0])
    await broker.kill()

    with pytest.raises(BrokerUnavailable):
        await read_bounds(settings, [TRACES], SINKS_GROUP)
