import asyncio
from uuid import UUID

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from pipeline.adapters.clock import ManualClock
from pipeline.adapters.kafka.admin import (
    check_topics,
    ensure_topic,
    ensure_topics,
    partitions_of,
    read_log_ids,
    read_retentions,
)
from pipeline.errors import BrokerUnavailable, SchemaMismatch
from pipeline.local.process import free_port
from pipeline.settings import KafkaSettings
from pipeline.topics import LOG_IDS, SPANS, THREAD_REPLIES, TOPICS, TRACES, Topic
from tests.integration.adapters.kafka.conftest import Broker
from tests.support.kafka_topics import create_topic, produce

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLE = Topic("table", key="any", holds="what a test needs")
NAMES = [topic.name for topic in TOPICS]


@pytest.fixture
def broker(emptied_broker: Broker) -> Broker:
    return emptied_broker


async def partitions_by_topic(bootstrap: str) -> dict[str, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return {
            topic["topic"]: len(topic["partitions"])
            for topic in await admin.describe_topics()
            if not topic["topic"].startswith("__")
        }
    finally:
        await admin.close()


async def test_every_declared_topic_is_created_with_its_partitions_and_an_id(
    broker: Broker, settings: KafkaSettings
) -> None:
    created = await ensure_topics(settings, ManualClock())
    log_ids = await read_log_ids(settings)

    assert created == NAMES
    assert await partitions_by_topic(broker.bootstrap) == {
        topic.name: partitions_of(topic, settings) for topic in TOPICS
    }
    assert sorted(log_ids) == sorted(NAMES)
    assert len(set(log_ids.values())) == len(NAMES)
    assert all(isinstance(log_id, UUID) and log_id.version == 7 for log_id in log_ids.values())


async def test_retention_is_what_was_declared(settings: KafkaSettings) -> None:
    await ensure_topics(settings.model_copy(update={"retention_hours": 5}), ManualClock())

    assert await read_retentions(settings, [TRACES, SPANS]) == {TRACES.name: 5 * 3600, SPANS.name: 5 * 3600}


async def test_a_second_run_changes_nothing(settings: KafkaSettings) -> None:
    await ensure_topics(settings, ManualClock())
    before = await read_log_ids(settings)
    created = await ensure_topics(settings, ManualClock())

    assert created == []
    assert await read_log_ids(settings) == before


async def test_a_topic_made_without_a_name_for_its_log_gets_one_and_the_others_keep_theirs(
    broker: Broker, settings: KafkaSettings
) -> None:
    # As left behind by a run that was killed between creating topics and naming their logs.
    await create_topic(broker.bootstrap, TRACES.name, partitions=4, settings=TRACES.config(retention_ms=3_600_000))
    created = await ensure_topics(settings, ManualClock())
    first = await read_log_ids(settings)
    await ensure_topics(settings, ManualClock())

    assert TRACES.name not in created
    assert TRACES.name in first
    assert await read_log_ids(settings) == first


async def test_a_log_started_anew_has_another_id(settings: KafkaSettings, broker: Broker) -> None:
    await ensure_topics(settings, ManualClock())
    before = await read_log_ids(settings)
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    await admin.delete_topics([SPANS.name])
    await admin.close()
    async with asyncio.timeout(120):  # the broker answers before the topic is gone
        while (created := await ensure_topics(settings, ManualClock())) == []:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    after = await read_log_ids(settings)

    assert created == [SPANS.name]
    assert {name for name in NAMES if before[name] != after[name]} == {SPANS.name}


@pytest.mark.parametrize("topic", [TRACES, THREAD_REPLIES, LOG_IDS])
async def test_another_number_of_partitions_is_a_mismatch_and_nothing_is_created(
    broker: Broker, settings: KafkaSettings, topic: object
) -> None:
    name = getattr(topic, "name", "")
    await create_topic(broker.bootstrap, name, partitions=3)
    async with asyncio.timeout(120):  # the broker confirms a topic before it shows it
        while await partitions_by_topic(broker.bootstrap) != {name: 3}:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    for step in (ensure_topics(settings, ManualClock()), check_topics(settings), read_log_ids(settings)):
        with pytest.raises(SchemaMismatch, match=f"topic {name} has 3 partitions, declared are"):
            await step

    assert await partitions_by_topic(broker.bootstrap) == {name: 3}


async def test_a_topic_that_keeps_the_stamps_of_producers_is_a_mismatch_and_nothing_is_created(
    broker: Broker, settings: KafkaSettings
) -> None:
    stamps = {"message.timestamp.type": "CreateTime"}
    await create_topic(broker.bootstrap, TRACES.name, partitions=4, settings=stamps)

    with pytest.raises(
        SchemaMismatch, match=r"traces has message\.timestamp\.type=CreateTime, declared is LogAppendTime"
    ):
        await ensure_topics(settings, ManualClock())

    assert await partitions_by_topic(broker.bootstrap) == {TRACES.name: 4}


async def test_a_topic_that_is_not_declared_is_made_once_and_keeps_what_it_holds(
    broker: Broker, settings: KafkaSettings
) -> None:
    for offset in range(2):
        await ensure_topic(settings, TABLE, {"segment.ms": "600000"})
        assert (await partitions_by_topic(broker.bootstrap))[TABLE.name] == 4
        assert await produce(broker.bootstrap, TABLE.name, [b"1"], partition=3) == [offset]


async def test_to_ask_before_the_topics_exist_creates_none(broker: Broker, settings: KafkaSettings) -> None:
    for step in (check_topics(settings), read_log_ids(settings)):
        with pytest.raises(SchemaMismatch, match=r"run `threadline migrate` first"):
            await step

    assert await partitions_by_topic(broker.bootstrap) == {}


async def test_no_broker_is_told_as_such() -> None:
    settings = KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}", request_timeout_ms=1000)
    for step in (ensure_topics(settings, ManualClock()), check_topics(settings), read_log_ids(settings)):
        with pytest.raises(BrokerUnavailable):
            await step
