"""Bring topics to their declared state, and keep the id of each log.

The id of a log is written once, when its topic is created, to the compacted topic `log-ids`. Everything made from
offsets contains it: a topic created anew begins at offset 0 again, and must not be taken for the old one.
"""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import msgspec
import uuid_utils.compat as uuids
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.errors import BrokerUnavailable, SchemaMismatch
from pipeline.events.controls import LogBirth
from pipeline.events.envelope import SCHEMA_VERSION_HEADER, Record
from pipeline.settings import KafkaSettings
from pipeline.topics import LOG_IDS, TOPICS, Topic

_ALREADY_EXISTS: Final = 36
_BIRTHS: Final = msgspec.json.Decoder(LogBirth)


async def ensure_topics(settings: KafkaSettings, clock: Clock) -> list[str]:
    """Create what is missing and return its names.

    Raises SchemaMismatch where a topic that exists has another number of partitions than declared, and
    BrokerUnavailable where the broker does not answer.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap, client_id="threadline-migrate")
    try:
        await admin.start()
        existing = {entry["topic"]: len(entry["partitions"]) for entry in await admin.describe_topics()}
        _check_partitions(settings, existing)
        missing = [topic for topic in TOPICS if topic.name not in existing]
        created = await _create(admin, settings, missing)
    except KafkaError as error:
        raise BrokerUnavailable(f"no Kafka at {settings.bootstrap}: {error!r}") from error
    finally:
        await admin.close()
    await _name_logs(settings, clock, created)
    return [topic.name for topic in created]


async def read_log_ids(settings: KafkaSettings) -> dict[str, UUID]:
    """Return the log id of every topic.

    Raises SchemaMismatch where a declared topic has none, and BrokerUnavailable where the broker does not answer.
    """
    found = await _read_births(settings)
    missing = [topic.name for topic in TOPICS if topic.name not in found]
    if missing:
        raise SchemaMismatch(f"no log id for {', '.join(missing)}: run `threadline migrate` first")
    return found


def partitions_of(topic: Topic, settings: KafkaSettings) -> int:
    """Return how many partitions `topic` is declared with."""
    return topic.partitions or settings.partitions


def _check_partitions(settings: KafkaSettings, existing: dict[str, int]) -> None:
    for topic in TOPICS:
        have, want = existing.get(topic.name), partitions_of(topic, settings)
        if have is not None and have != want:
            raise SchemaMismatch(f"topic {topic.name} has {have} partitions, declared are {want}")


async def _create(admin: AIOKafkaAdminClient, settings: KafkaSettings, missing: Iterable[Topic]) -> list[Topic]:
    retention_ms = settings.retention_hours * 3_600_000
    wanted = {topic.name: topic for topic in missing}
    if not wanted:
        return []
    answer: Any = await admin.create_topics(
        [
            NewTopic(
                name=topic.name,
                num_partitions=partitions_of(topic, settings),
                replication_factor=settings.replication_factor,
                topic_configs=topic.config(retention_ms=retention_ms),
            )
            for topic in wanted.values()
        ]
    )
    created = []
    for name, code, *detail in answer.topic_errors:
        if code == 0:
            created.append(wanted[name])
        elif code != _ALREADY_EXISTS:
            raise SchemaMismatch(f"topic {name} could not be created: error {code} {detail}")
    return created


async def _name_logs(settings: KafkaSettings, clock: Clock, created: Iterable[Topic]) -> None:
    births = [LogBirth(log_id=uuids.uuid7(), topic=topic.name, created_at_us=clock.now_us()) for topic in created]
    records = [
        Record(birth.topic.encode(), msgspec.json.encode(birth), (SCHEMA_VERSION_HEADER,), partition=0)
        for birth in births
    ]
    async with EventProducer(settings, client_id="threadline-migrate") as producer:
        await producer.publish(LOG_IDS, records)


async def _read_births(settings: KafkaSettings) -> dict[str, UUID]:
    place = TopicPartition(LOG_IDS.name, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    found: dict[str, UUID] = {}
    try:
        await consumer.start()
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        while await consumer.position(place) < end:
            birth = _BIRTHS.decode((await consumer.getone(place)).value)
            found[birth.topic] = birth.log_id
    except KafkaError as error:
        raise BrokerUnavailable(f"the log ids could not be read: {error!r}") from error
    finally:
        await consumer.stop()
    return found
