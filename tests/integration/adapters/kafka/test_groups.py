from uuid import UUID

import pytest
from aiokafka import AIOKafkaConsumer

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka import groups
from pipeline.adapters.kafka.admin import ensure_topics, read_log_ids
from pipeline.adapters.kafka.groups import Committed
from pipeline.errors import BrokerUnavailable, Conflict
from pipeline.local.broker import EmbeddedBroker
from pipeline.local.process import free_port
from pipeline.settings import KafkaSettings
from pipeline.topics import TRACES
from tests.integration.adapters.kafka.conftest import Broker

GROUP = "readers"
STRANGER = UUID("01890000-0000-7000-8000-000000000001")


async def test_a_group_that_nobody_knows_has_no_members_and_stands_nowhere(settings: KafkaSettings) -> None:
    await ensure_topics(settings, SystemClock())

    assert await groups.members(settings, GROUP) == 0
    assert await groups.committed(settings, GROUP, TRACES) == {}


async def test_a_group_goes_on_where_it_was_set(broker: Broker, settings: KafkaSettings) -> None:
    await ensure_topics(settings, SystemClock())
    noted = "" if isinstance(broker, EmbeddedBroker) else "77"  # the embedded broker forgets what is noted
    await groups.set_committed(settings, GROUP, TRACES, {0: Committed(5, "77"), 3: Committed(0, "77")})

    assert await groups.committed(settings, GROUP, TRACES) == {0: Committed(5, noted), 3: Committed(0, noted)}


@pytest.mark.apache_kafka
async def test_what_a_group_committed_of_another_log_is_left_out(broker: Broker, settings: KafkaSettings) -> None:
    if isinstance(broker, EmbeddedBroker):
        return
    await ensure_topics(settings, SystemClock())
    log_id = (await read_log_ids(settings))[TRACES.name]
    await groups.set_committed(
        settings, GROUP, TRACES, {0: Committed(5, str(log_id)), 1: Committed(6, str(STRANGER)), 2: Committed(7, "")}
    )

    known = await groups.committed(settings, GROUP, TRACES, log_id=log_id)
    assert {number: place.offset for number, place in known.items()} == {0: 5, 2: 7}


async def test_members_are_counted_and_their_offsets_are_not_touched(broker: Broker, settings: KafkaSettings) -> None:
    await ensure_topics(settings, SystemClock())
    member = AIOKafkaConsumer(TRACES.name, bootstrap_servers=broker.bootstrap, group_id=GROUP, enable_auto_commit=False)
    await member.start()
    try:
        assert await groups.members(settings, GROUP) == 1
        with pytest.raises(Conflict, match=f"the group {GROUP} has members"):
            await groups.set_committed(settings, GROUP, TRACES, {0: Committed(5, "")})
        assert await groups.committed(settings, GROUP, TRACES) == {}
    finally:
        await member.stop()


async def test_no_broker_is_told_as_such() -> None:
    settings = KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}", request_timeout_ms=1000)
    for step in (
        groups.members(settings, GROUP),
        groups.committed(settings, GROUP, TRACES),
        groups.set_committed(settings, GROUP, TRACES, {0: Committed(1, "")}),
    ):
        with pytest.raises(BrokerUnavailable):
            await step
