"""Follow a topic from where it ends now, as a member of no group: for whoever shows what happens while it happens."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.adapters.kafka.admin import partitions_of
from pipeline.adapters.kafka.closing import close_consumer
from pipeline.adapters.kafka.connection import connection_of
from pipeline.adapters.kafka.consumer import LogRecord
from pipeline.errors import BrokerUnavailable
from pipeline.settings import KafkaSettings
from pipeline.topics import Topic

_FETCH_WAIT_MS: Final = 250
_POLL_MS_MAX: Final = 1000
_POLL_RECORDS_MAX: Final = 2000


async def follow(settings: KafkaSettings, topic: Topic) -> AsyncGenerator[Sequence[LogRecord]]:
    """Yield first an empty run, once it stands at the end, then the committed records of each poll, for ever.

    What is appended after the empty run comes; nothing before it does. Raises BrokerUnavailable where Kafka does not
    answer.
    """
    consumer = AIOKafkaConsumer(
        **connection_of(settings),
        enable_auto_commit=False,
        auto_offset_reset="latest",
        isolation_level="read_committed",
        fetch_max_wait_ms=_FETCH_WAIT_MS,
        request_timeout_ms=settings.request_timeout_ms,
    )
    try:
        await consumer.start()
        places = [TopicPartition(topic.name, number) for number in range(partitions_of(topic, settings))]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        for place in places:
            await consumer.position(place)  # looked up now: a record may come before the first poll
        yield []
        while True:
            polled = await consumer.getmany(timeout_ms=_POLL_MS_MAX, max_records=_POLL_RECORDS_MAX)
            for records in polled.values():
                yield records
    except KafkaError as error:
        raise BrokerUnavailable(f"{topic.name} could not be followed: {error!r}") from error
    finally:
        await close_consumer(consumer)
