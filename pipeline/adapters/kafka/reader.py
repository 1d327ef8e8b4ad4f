"""Read a topic as a member of no group: whoever looks at a log and keeps no place in it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.adapters.kafka.admin import partitions_of
from pipeline.adapters.kafka.closing import close_consumer
from pipeline.adapters.kafka.connection import connection_of
from pipeline.adapters.kafka.consumer import LogPartition, LogRecord
from pipeline.errors import BrokerUnavailable
from pipeline.settings import KafkaSettings
from pipeline.topics import Topic

_POLL_MS_MAX = 250
_LOOK_BYTES_MAX = 64 * 1024


async def read_from_start(settings: KafkaSettings, topic: Topic) -> AsyncGenerator[Sequence[LogRecord]]:
    """Yield what each poll brings of one partition, in order, for ever; the caller knows when it has enough.

    The end offset is not looked at, since the embedded broker reports it too small. Raises BrokerUnavailable where
    Kafka does not answer.
    """
    consumer = AIOKafkaConsumer(
        **connection_of(settings),
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
        await close_consumer(consumer)


async def read_to_end(
    settings: KafkaSettings, topic: Topic, *, starts: Mapping[int, int] = {}, ends: Mapping[int, int] = {}
) -> AsyncGenerator[tuple[int, Sequence[LogRecord]]]:
    """Yield partition and committed records of `topic`, in order per partition, up to where it ends now.

    `starts` are offsets by partition; elsewhere it begins with the first record. It may end sooner, by `ends`, but what
    was fetched together is yielded together. The embedded broker tells an end that
    is too small, unless the last record was sent alone. Raises BrokerUnavailable where Kafka does not answer.
    """
    consumer = AIOKafkaConsumer(
        **connection_of(settings),
        enable_auto_commit=False,
        isolation_level="read_committed",
        request_timeout_ms=settings.request_timeout_ms,
    )
    clock, seconds_max = asyncio.get_running_loop(), settings.request_timeout_ms / 1000
    try:
        async with asyncio.timeout(seconds_max):
            await consumer.start()
            places = [TopicPartition(topic.name, number) for number in range(partitions_of(topic, settings))]
            begins, lasts = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        until = {place: min(lasts[place], ends.get(place.partition, lasts[place])) for place in places}
        consumer.assign(places)
        for place in places:
            consumer.seek(place, max(begins[place], starts.get(place.partition, 0)))
        moved_at = clock.time()
        # Positions tell, not records: before the end there may be nothing but the markers of a transaction.
        while any([await consumer.position(place) < until[place] for place in places]):
            for place, records in (await consumer.getmany(timeout_ms=_POLL_MS_MAX)).items():
                yield place.partition, records
                moved_at = clock.time()
            if clock.time() > moved_at + seconds_max:
                raise BrokerUnavailable(f"{topic.name} does not come to its end")
    except (KafkaError, TimeoutError) as error:
        raise BrokerUnavailable(f"{topic.name} could not be read: {error!r}") from error
    finally:
        await close_consumer(consumer)


async def offsets_at(
    settings: KafkaSettings, topic: Topic, *, at_ms: int | None = None, offset: int | None = None
) -> dict[int, int]:
    """Return, by partition, the first offset that was appended at `at_ms` or later, or `offset`, within the log.

    Where nothing is that late it is the end. Raises BrokerUnavailable where Kafka does not answer.
    """
    consumer = AIOKafkaConsumer(
        **connection_of(settings), enable_auto_commit=False, request_timeout_ms=settings.request_timeout_ms
    )
    places = [TopicPartition(topic.name, number) for number in range(partitions_of(topic, settings))]
    try:
        async with asyncio.timeout(settings.request_timeout_ms / 1000):
            await consumer.start()
            begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
            if at_ms is None:
                return {place.partition: min(max(begins[place], offset or 0), ends[place]) for place in places}
            times = await consumer.offsets_for_times(dict.fromkeys(places, at_ms))
            return {place.partition: at.offset if at is not None else ends[place] for place, at in times.items()}
    except (KafkaError, TimeoutError) as error:
        raise BrokerUnavailable(f"{topic.name}: no offsets: {error!r}") from error
    finally:
        await close_consumer(consumer)


async def append_times(settings: KafkaSettings, offsets: Mapping[LogPartition, int]) -> dict[LogPartition, int]:
    """Return when the first record at or after each offset was appended, in milliseconds since 1970 UTC.

    A partition where no record follows is left out. Raises BrokerUnavailable where Kafka does not answer in time.
    """
    consumer = AIOKafkaConsumer(
        **connection_of(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # what stood there may be gone: then it is the oldest that is left
        isolation_level="read_committed",
        max_partition_fetch_bytes=_LOOK_BYTES_MAX,
        request_timeout_ms=settings.request_timeout_ms,
    )
    places = [TopicPartition(*place) for place in offsets]
    found: dict[LogPartition, int] = {}
    try:
        async with asyncio.timeout(settings.request_timeout_ms / 1000):
            await consumer.start()
            ends = await consumer.end_offsets(places)
            consumer.assign(places)
            for place in places:
                consumer.seek(place, offsets[LogPartition(*place)])
            while places:
                for place, [first, *_] in (await consumer.getmany(*places, timeout_ms=_POLL_MS_MAX)).items():
                    found.setdefault(LogPartition(*place), first.timestamp)
                places = [
                    place
                    for place in places
                    if LogPartition(*place) not in found and await consumer.position(place) < ends[place]
                ]
    except (KafkaError, TimeoutError) as error:
        raise BrokerUnavailable(f"no append times from {settings.bootstrap}: {error!r}") from error
    finally:
        await close_consumer(consumer)
    return found
