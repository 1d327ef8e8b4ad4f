"""Read a topic from its first record on, as a member of no group: whoever looks at a log and keeps no place in it."""

from collections.abc import AsyncGenerator, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.adapters.kafka.admin import partitions_of
from pipeline.adapters.kafka.consumer import LogRecord
from pipeline.errors import BrokerUnavailable
from pipeline.settings import KafkaSettings
from pipeline.topics import Topic

_POLL_MS_MAX = 250


async def read_from_start(settings: KafkaSettings, topic: Topic) -> AsyncGenerator[Sequence[LogRecord]]:
    """Yield what each poll brings of one partition, in order, for ever; the caller knows when it has enough.

    The end offset is not looked at, since the embedded broker reports it too small. Raises BrokerUnavailable where
    Kafka does not answer.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=settings.request_timeout_ms,
    )
    try:
        await consumer.start()
        consumer.assign([TopicPartition(topic.name, number) for number in range(partitions_of(topic, settings))])
        while True:
            for records in (await consumer.getmany(timeout_ms=_POLL_MS_MAX)).values():
                yield records
    except KafkaError as error:
        raise BrokerUnavailable(f"{topic.name} could not be read: {error!r}") from error
    finally:
        await consumer.stop()
