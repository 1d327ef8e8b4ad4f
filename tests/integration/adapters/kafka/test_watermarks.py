"""Ends and committed offsets, asked again and again."""

import pytest

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics, read_log_ids
from pipeline.adapters.kafka.consumer import LogPartition
from pipeline.adapters.kafka.groups import Committed, set_committed
from pipeline.adapters.kafka.offsets import Bounds
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.watermarks import Watermarks
from pipeline.errors import BrokerUnavailable
from pipeline.events.envelope import Record, headers_of
from pipeline.local.broker import EmbeddedBroker
from pipeline.settings import KafkaSettings
from pipeline.topics import SINKS_GROUP, SPANS, TRACES
from tests.integration.adapters.kafka.conftest import Broker


async def test_ends_grow_with_the_logs_and_committed_offsets_with_the_group(
    settings: KafkaSettings, broker: Broker
) -> None:
    await ensure_topics(settings, SystemClock())
    log_id = str((await read_log_ids(settings))[TRACES.name])
    place = LogPartition(TRACES.name, 2)
    async with (
        EventProducer(settings, client_id="test") as producer,
        Watermarks(settings, (TRACES, SPANS), SINKS_GROUP) as watermarks,
    ):
        assert set((await watermarks.ends()).values()) == {0}
        assert len(await watermarks.ends()) == 8
        assert set((await watermarks.committed()).values()) == {0}
        assert await watermarks.bounds() == {}  # nobody was ever in that group

        await producer.publish(TRACES, [Record(None, b"{}", headers_of("tick"), 2)] * 3)
        assert (await watermarks.ends())[place] == 3

        await set_committed(settings, SINKS_GROUP, TRACES, {2: Committed(3, log_id)})
        assert (await watermarks.committed())[place] == 3

        bounds = await watermarks.bounds()
        assert bounds[place] == Bounds(0, 3, 3)
        assert bounds[LogPartition(SPANS.name, 0)] == Bounds(0, 0, 0)

        if not isinstance(broker, EmbeddedBroker):  # it forgets what was noted with an offset
            await set_committed(settings, SINKS_GROUP, TRACES, {2: Committed(3, "another log")})
            assert (await watermarks.committed())[place] == 0


async def test_a_broker_that_goes_away_is_said_to_be_so(settings: KafkaSettings, broker: Broker) -> None:
    await ensure_topics(settings, SystemClock())
    hasty = settings.model_copy(update={"request_timeout_ms": 1500})
    async with Watermarks(hasty, (TRACES,), SINKS_GROUP) as watermarks:
        await watermarks.ends()
        await broker.kill()
        with pytest.raises(BrokerUnavailable):
            await watermarks.ends()
        with pytest.raises(BrokerUnavailable):
            await watermarks.committed()
