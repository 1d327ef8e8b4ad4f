"""Answers to commands, over the embedded broker."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.replies import ReplyReader
from pipeline.adapters.telemetry.metrics import GATEWAY_REPLIES
from pipeline.errors import BrokerUnavailable, Overloaded
from pipeline.events.envelope import Record
from pipeline.events.threads import CommandReply
from pipeline.local.broker import EmbeddedBroker
from pipeline.local.process import free_port
from pipeline.settings import KafkaSettings
from pipeline.topics import THREAD_REPLIES
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWER_SECONDS_MAX = 120.0


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def kafka() -> AsyncIterator[KafkaSettings]:
    broker = EmbeddedBroker(free_port())
    await broker.start()
    settings = KafkaSettings(bootstrap=broker.bootstrap, last_record_alone=True, partitions=2)
    await ensure_topics(settings, SystemClock())
    yield settings
    await broker.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def producer(kafka: KafkaSettings) -> AsyncIterator[EventProducer]:
    async with EventProducer(kafka, client_id="test") as producer:
        yield producer


@pytest_asyncio.fixture(loop_scope="module")
async def reader(kafka: KafkaSettings) -> AsyncIterator[ReplyReader]:
    reader = ReplyReader(kafka, waiters_max=3, retry_after_seconds=4)
    await reader.start()
    yield reader
    await reader.stop()


def reply(request_id: str, outcome: str = "applied") -> CommandReply:
    return CommandReply(request_id=request_id, outcome=outcome)  # type: ignore[arg-type]


async def read_count(fate: str) -> float:
    return GATEWAY_REPLIES.labels(fate)._value.get()


async def test_each_answer_reaches_the_command_that_waits_for_it(reader: ReplyReader, producer: EventProducer) -> None:
    with reader.expect(2) as (first, second):
        assert first.reply_to.partition == second.reply_to.partition == reader.partition
        answers = [reply(second.reply_to.request_id, "refused"), reply(first.reply_to.request_id)]
        await producer.publish(THREAD_REPLIES, [answer.record(reader.partition) for answer in answers])
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            assert (await first.answer).outcome == "applied"
            assert (await second.answer).outcome == "refused"


async def test_what_nobody_waits_for_or_nobody_can_read_is_counted_and_stops_nothing(
    reader: ReplyReader, producer: EventProducer
) -> None:
    unclaimed, undecodable = await read_count("unclaimed"), await read_count("undecodable")
    with reader.expect(1) as [expected]:
        late = reply(expected.reply_to.request_id)
    with reader.expect(1) as [expected]:
        records = [
            reply("of-another-process").record(reader.partition),
            late.record(reader.partition),
            Record(None, b"no json", (), reader.partition),
            reply(expected.reply_to.request_id).record(reader.partition),
            reply(expected.reply_to.request_id, "refused").record(reader.partition),
        ]
        await producer.publish(THREAD_REPLIES, records)
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            assert (await expected.answer).outcome == "applied"

    await eventually(
        lambda: read_count("unclaimed"), lambda seen: seen == unclaimed + 3, seconds_max=ANSWER_SECONDS_MAX
    )
    assert await read_count("undecodable") == undecodable + 1


async def test_answers_of_before_the_start_are_not_read(kafka: KafkaSettings, producer: EventProducer) -> None:
    before = await read_count("unclaimed")
    for partition in range(THREAD_REPLIES.partitions or 0):
        await producer.publish(THREAD_REPLIES, [reply("old").record(partition)] * 3)
    reader = ReplyReader(kafka, waiters_max=1)
    await reader.start()

    with reader.expect(1) as [expected]:
        await producer.publish(THREAD_REPLIES, [reply(expected.reply_to.request_id).record(reader.partition)])
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await expected.answer

    await reader.stop()
    assert await read_count("unclaimed") == before


async def test_more_commands_than_may_wait_are_told_to_come_back(reader: ReplyReader) -> None:
    with reader.expect(2):
        with pytest.raises(Overloaded) as refusal, reader.expect(2):
            pass
        assert refusal.value.retry_after_seconds == 4
        with reader.expect(1):
            pass

    with reader.expect(3):
        pass


async def test_who_waits_when_the_reader_stops_is_told_to_come_back(kafka: KafkaSettings) -> None:
    reader = ReplyReader(kafka, waiters_max=1)
    await reader.start()
    with reader.expect(1) as [expected]:
        await reader.stop()
        with pytest.raises(Overloaded, match="stopping"):
            await expected.answer


async def test_without_a_broker_nothing_can_be_read() -> None:
    with pytest.raises(BrokerUnavailable):
        await ReplyReader(KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}"), waiters_max=1).start()


async def test_a_reader_whose_broker_is_gone_stops_all_the_same() -> None:
    broker = EmbeddedBroker(free_port())
    await broker.start()
    settings = KafkaSettings(bootstrap=broker.bootstrap, last_record_alone=True, partitions=2)
    await ensure_topics(settings, SystemClock())
    reader = ReplyReader(settings, waiters_max=1)
    await reader.start()
    await broker.kill()
    await asyncio.sleep(0.3)  # polls: nothing tells that a fetch has failed; then its task waits to try again

    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        await reader.stop()
