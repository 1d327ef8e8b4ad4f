import asyncio
from contextlib import aclosing

import pytest

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.tail import follow
from pipeline.errors import BrokerUnavailable
from pipeline.events.envelope import Record, headers_of
from pipeline.local.process import free_port
from pipeline.settings import KafkaSettings
from pipeline.topics import THREADS

SECONDS_MAX = 120.0


async def test_what_is_appended_from_now_on_comes_and_nothing_older(settings: KafkaSettings) -> None:
    await ensure_topics(settings, SystemClock())
    async with EventProducer(settings, client_id="test") as producer:
        await producer.publish(THREADS, [Record(None, b"old", headers_of("thread"), 1)])
        found: list[bytes | None] = []
        async with asyncio.timeout(SECONDS_MAX), aclosing(follow(settings, THREADS)) as runs:
            assert await anext(runs) == []
            new = [Record(None, b"new %d" % number, headers_of("thread"), 1) for number in range(3)]
            await producer.publish(THREADS, new)
            async for records in runs:
                found += [record.value for record in records]
                if len(found) >= len(new):
                    break

    assert found == [b"new 0", b"new 1", b"new 2"]


async def test_a_broker_that_is_not_there_is_said_to_be_unavailable() -> None:
    nowhere = KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}", request_timeout_ms=1000)

    with pytest.raises(BrokerUnavailable, match="threads could not be followed"):
        await anext(follow(nowhere, THREADS))
