"""Bring topics to their declared state, and keep the id of each log.

The id of a log is written once, when its topic is created, to the compacted topic `log-ids`. Everything made from
offsets contains it: a topic created anew begins at offset 0 again, and must not be taken for the old one.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from math import inf
from typing import Any, Final
from uuid import UUID

import msgspec
import uuid_utils.compat as uuids
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.closing import close_consumer
from pipeline.adapters.kafka.connection import connection_of
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.errors import BrokerUnavailable, SchemaMismatch
from pipeline.events.controls import LogBirth
from pipeline.events.envelope import SCHEMA_VERSION_HEADER, Record
from pipeline.settings import KafkaSettings
from pipeline.topics import LOG_IDS, TOPICS, Topic

_VISIBLE_POLL_SECONDS: Final = 0.05
_BIRTHS: Final = msgspec.json.Decoder(LogBirth)
_TIMESTAMP_TYPE: Final = "message.timestamp.type"
_RETENTION: Final = "retention.ms"


async def ensure_topics(settings: KafkaSettings, clock: Clock) -> list[str]:
    """Create what is missing and return its names.

    A topic without a log id gets one, since a run may have ended between creating it and naming it. Raises
    SchemaMismatch where a topic that exists has another number of partitions than declared, or stamps its records with
    another time; and BrokerUnavailable where the broker does not answer.
    """
    async with _connected(settings) as admin:
        missing = await _missing(admin, settings)
        await _check_stamps(admin, [topic for topic in TOPICS if topic not in missing])
        names = await _create(admin, [_declared(topic, settings) for topic in missing])
        created = [topic for topic in missing if topic.name in names]
        # A broker confirms a topic before every broker shows it.
        async with asyncio.timeout(settings.request_timeout_ms / 1000):
            while await _missing(admin, settings):  # noqa: ASYNC110 - only asking again tells
                await asyncio.sleep(_VISIBLE_POLL_SECONDS)
    # Before log-ids exists nothing can have been named; the client would wait long for a topic that it does not know.
    named = {} if LOG_IDS in created else await _read_births(settings)
    await _name_logs(settings, clock, [topic for topic in TOPICS if topic in created or topic.name not in named])
    return [topic.name for topic in created]


async def check_topics(settings: KafkaSettings) -> None:
    """Check that every declared topic is there; to be called before any client names one.

    A broker may create a topic because a client asks for it, with its own number of partitions and configuration.
    Raises SchemaMismatch where one is missing or has another number of partitions than declared, and BrokerUnavailable
    where the broker does not answer.
    """
    async with _connected(settings) as admin:
        if missing := await _missing(admin, settings):
            names = ", ".join(topic.name for topic in missing)
            raise SchemaMismatch(f"no topic {names}: run `threadline migrate` first")


async def read_log_ids(settings: KafkaSettings) -> dict[str, UUID]:
    """Return the log id of every topic.

    Raises SchemaMismatch where a declared topic is missing or has none, and BrokerUnavailable where the broker does not
    answer.
    """
    await check_topics(settings)
    found = await _read_births(settings)
    missing = [topic.name for topic in TOPICS if topic.name not in found]
    if missing:
        raise SchemaMismatch(f"no log id for {', '.join(missing)}: run `threadline migrate` first")
    return found


async def ensure_topic(settings: KafkaSettings, topic: Topic, config: Mapping[str, str]) -> None:
    """Create a topic that is not among the declared ones, with `config`, unless it is there.

    Raises SchemaMismatch where Kafka refuses it, and BrokerUnavailable where it does not answer.
    """
    wanted = NewTopic(
        topic.name, partitions_of(topic, settings), settings.replication_factor, topic_configs=dict(config)
    )
    async with _connected(settings) as admin, asyncio.timeout(settings.request_timeout_ms / 1000):
        await _create(admin, [wanted])
        while topic.name not in {entry["topic"] for entry in await admin.describe_topics()}:  # noqa: ASYNC110
            await asyncio.sleep(_VISIBLE_POLL_SECONDS)


async def read_retentions(settings: KafkaSettings, topics: Iterable[Topic]) -> dict[str, float]:
    """Return for how many seconds Kafka keeps the records of each topic now; infinity where it keeps them for ever.

    Raises BrokerUnavailable where it does not answer.
    """
    found = {topic.name: settings.retention_hours * 3600.0 for topic in topics}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in found]
    async with _connected(settings) as admin, asyncio.timeout(settings.request_timeout_ms / 1000):
        answers: Any = await admin.describe_configs(resources)
    for answer in answers:
        for _, _, _, topic, entries in answer.resources:
            for name, value, *_ in entries:
                if name == _RETENTION:
                    found[topic] = inf if int(value) < 0 else int(value) / 1000
    return found


def partitions_of(topic: Topic, settings: KafkaSettings) -> int:
    """Return how many partitions `topic` is declared with."""
    return topic.partitions or settings.partitions


@asynccontextmanager
async def _connected(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(
        **connection_of(settings),
        client_id="threadline-admin",
        request_timeout_ms=settings.request_timeout_ms,
    )
    try:
        await admin.start()
        yield admin
    except (KafkaError, TimeoutError) as error:
        raise BrokerUnavailable(f"no Kafka at {settings.bootstrap}: {error!r}") from error
    finally:
        await admin.close()


async def _missing(admin: AIOKafkaAdminClient, settings: KafkaSettings) -> list[Topic]:
    """Return the declared topics that do not exist; all are listed, since naming one may create it."""
    existing = {entry["topic"]: len(entry["partitions"]) for entry in await admin.describe_topics()}
    for topic in TOPICS:
        have, want = existing.get(topic.name), partitions_of(topic, settings)
        if have is not None and have != want:
            raise SchemaMismatch(f"topic {topic.name} has {have} partitions, declared are {want}")
    return [topic for topic in TOPICS if topic.name not in existing]


async def _check_stamps(admin: AIOKafkaAdminClient, existing: Iterable[Topic]) -> None:
    """Check who stamps the records of topics: with the producers' times, threads would be closed by their clocks.

    A broker that does not say (the embedded one tells only what was set) is taken at its word.
    """
    declared = {topic.name: topic.timestamp_type for topic in existing}
    if not declared:
        return
    answers: Any = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in declared])
    for answer in answers:
        for code, _, _, topic, entries in answer.resources:
            if code:
                raise BrokerUnavailable(f"the configuration of {topic} could not be read: {for_code(code).__name__}")
            for name, have, *_ in entries:
                if name == _TIMESTAMP_TYPE and have != declared[topic]:
                    raise SchemaMismatch(
                        f"topic {topic} has {name}={have}, declared is {declared[topic]}: set it, or delete the topic"
                    )


def _declared(topic: Topic, settings: KafkaSettings) -> NewTopic:
    return NewTopic(
        name=topic.name,
        num_partitions=partitions_of(topic, settings),
        replication_factor=settings.replication_factor,
        topic_configs=topic.config(retention_ms=settings.retention_hours * 3_600_000),
    )


async def _create(admin: AIOKafkaAdminClient, wanted: Sequence[NewTopic]) -> list[str]:
    """Create topics and return the names of those that did not exist."""
    if not wanted:
        return []
    answer: Any = await admin.create_topics(list(wanted))
    created = []
    for name, code, *detail in answer.topic_errors:
        error = for_code(code)
        if code == 0:
            created.append(name)
        elif error.retriable:
            raise BrokerUnavailable(f"topic {name} could not be created: {error.__name__} {detail}")
        elif error is not TopicAlreadyExistsError:
            raise SchemaMismatch(f"topic {name} could not be created: {error.__name__} {detail}")
    return created


async def _name_logs(settings: KafkaSettings, clock: Clock, nameless: Iterable[Topic]) -> None:
    births = [LogBirth(log_id=uuids.uuid7(), topic=topic.name, created_at_us=clock.now_us()) for topic in nameless]
    records = [
        Record(birth.topic.encode(), msgspec.json.encode(birth), (SCHEMA_VERSION_HEADER,), partition=0)
        for birth in births
    ]
    async with EventProducer(settings, client_id="threadline-migrate") as producer:
        await producer.publish(LOG_IDS, records)


async def _read_births(settings: KafkaSettings) -> dict[str, UUID]:
    place = TopicPartition(LOG_IDS.name, 0)
    consumer = AIOKafkaConsumer(
        **connection_of(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=settings.request_timeout_ms,
    )
    found: dict[str, UUID] = {}
    try:
        await consumer.start()
        consumer.assign([place])
        # The client itself would wait for ever on a broker that goes away.
        async with asyncio.timeout(settings.request_timeout_ms / 1000):
            end = (await consumer.end_offsets([place]))[place]
            while await consumer.position(place) < end:
                birth = _BIRTHS.decode((await consumer.getone(place)).value)
                found[birth.topic] = birth.log_id
    except (KafkaError, TimeoutError) as error:
        raise BrokerUnavailable(f"the log ids could not be read: {error!r}") from error
    finally:
        await close_consumer(consumer)
    return found
