import asyncio

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.record.default_records import DefaultRecord

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.kafka.lean import give_lean_records
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.events.envelope import Record, headers_of
from pipeline.settings import KafkaSettings
from pipeline.topics import TRACES

PLACE = TopicPartition(TRACES.name, 0)
RECORDS = [Record(b"k", b'{"a":1}', headers_of("trace"), 0), Record(None, b"", headers_of("tick"), 0)]


async def read(settings: KafkaSettings, *, lean: bool) -> list[ConsumerRecord[bytes, bytes]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        if lean:
            give_lean_records(consumer)
        consumer.assign([PLACE])
        consumer.seek(PLACE, 0)
        found: list[ConsumerRecord[bytes, bytes]] = []
        async with asyncio.timeout(30):
            while await consumer.position(PLACE) < len(RECORDS):
                for records in (await consumer.getmany(timeout_ms=200, max_records=1)).values():
                    found += records
    finally:
        await consumer.stop()
    return found


async def test_a_lean_record_says_the_same_and_is_what_the_parser_made(settings: KafkaSettings) -> None:
    await ensure_topics(settings, SystemClock())
    async with EventProducer(settings, client_id="test") as producer:
        await producer.publish(TRACES, RECORDS)

    whole, lean = await read(settings, lean=False), await read(settings, lean=True)

    assert [type(record) for record in lean] == [DefaultRecord] * len(RECORDS)
    for said, meant in zip(lean, whole, strict=True):
        assert (said.offset, said.timestamp, said.key, said.value) == (
            meant.offset, meant.timestamp, meant.key, meant.value,
        )  # fmt: skip
        assert tuple(said.headers) == meant.headers
