"""On Apache Kafka: who was paused cannot write any more, and nobody has to wait for it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.errors import BrokerUnavailable, Fenced
from pipeline.events.envelope import Record
from pipeline.settings import KafkaSettings
from pipeline.stream.fence import TransactionalFence
from pipeline.stream.partition import Partition
from pipeline.stream.table import CHANGELOG
from tests.apache_kafka.broker import ApacheKafka
from tests.integration.stream.worker_process import read_all
from tests.support.kafka_topics import create_topic

pytestmark = pytest.mark.apache_kafka

PARTITIONS = 3
ROUNDS = 15
LOG_ID = uuid4()


@pytest_asyncio.fixture
async def broker(tmp_path: Path) -> AsyncIterator[ApacheKafka]:
    kafka = ApacheKafka(tmp_path / "kafka")
    await kafka.start()
    yield kafka
    await kafka.kill()


@pytest_asyncio.fixture
async def settings(broker: ApacheKafka) -> KafkaSettings:
    found = KafkaSettings(bootstrap=broker.bootstrap, partitions=PARTITIONS, request_timeout_ms=5000)
    await ensure_topics(found, SystemClock())
    await create_topic(broker.bootstrap, CHANGELOG.name, partitions=PARTITIONS, settings={"cleanup.policy": "compact"})
    return found


@pytest_asyncio.fixture
async def fences(settings: KafkaSettings) -> AsyncIterator[list[TransactionalFence]]:
    """Two workers."""
    both = [TransactionalFence(settings, client_id=name, log_id=LOG_ID) for name in ("first", "second")]
    yield both
    await asyncio.gather(*(fence.give_up() for fence in both))


async def write(fence: TransactionalFence, number: int, value: bytes) -> None:
    await fence.writer_of(Partition(number, LOG_ID)).publish(CHANGELOG, [Record(b"thread", value, (), number)])


async def written(settings: KafkaSettings, number: int) -> list[bytes]:
    found = await read_all(settings, CHANGELOG, isolation_level="read_committed")
    return [record.value for record in found[number] if record.key == b"thread"]


async def test_the_earlier_owner_cannot_write_what_another_has_taken(
    settings: KafkaSettings, fences: list[TransactionalFence]
) -> None:
    first, second = fences
    await first.take(range(PARTITIONS))
    await write(first, 0, b"of the first")
    await second.take([0])
    with pytest.raises(Fenced):
        await write(first, 0, b"too late")
    await write(first, 1, b"still its own")
    await write(second, 0, b"of the second")
    assert await written(settings, 0) == [b"of the first", b"of the second"]
    assert await written(settings, 1) == [b"still its own"]


async def test_what_was_taken_by_another_during_recovery_does_not_go_live(fences: list[TransactionalFence]) -> None:
    first, second = fences
    await first.take(range(PARTITIONS))
    await second.take([2])
    assert list(await first.confirm(CHANGELOG)) == [2]
    assert list(await second.confirm(CHANGELOG)) == []


async def test_what_a_paused_owner_left_unfinished_is_void_as_soon_as_another_takes_over(
    settings: KafkaSettings, fences: list[TransactionalFence]
) -> None:
    first, second = fences
    await first.take([0])
    paused = first._producers[0]
    await paused._producer.begin_transaction()
    await paused._send(CHANGELOG, [Record(b"thread", b"unfinished", (), 0)])
    await second.take([0])
    await write(second, 0, b"of the second")
    assert await written(settings, 0) == [b"of the second"]


async def test_a_partition_can_be_taken_again_and_again(
    settings: KafkaSettings, fences: list[TransactionalFence]
) -> None:
    for fence in [*fences, *fences]:
        await fence.take([0])
        assert list(await fence.confirm(CHANGELOG)) == []
        await write(fence, 0, b"mine")
    assert await written(settings, 0) == [b"mine"] * 4


async def test_a_broker_that_is_gone_is_no_fence(broker: ApacheKafka, fences: list[TransactionalFence]) -> None:
    first, _ = fences
    await first.take([0])
    await write(first, 0, b"while it was there")
    first._producers[0]._seconds_max = 1.0  # type: ignore[misc]
    await broker.kill()
    with pytest.raises(BrokerUnavailable):
        await write(first, 0, b"to nobody")


async def test_of_two_that_take_the_same_partitions_at_once_each_has_exactly_one_owner(
    settings: KafkaSettings, fences: list[TransactionalFence]
) -> None:
    """Whom the broker refuses for the moment tries again, however often: the later one owns, and nobody dies of it."""
    for turn in range(ROUNDS):
        await asyncio.gather(*(fence.take(range(PARTITIONS)) for fence in fences))
        lost = [set(await fence.confirm(CHANGELOG)) for fence in fences]
        assert lost[0] ^ lost[1] == set(range(PARTITIONS)), f"round {turn}"
        for fence, others in zip(fences, lost, strict=True):
            for number in set(range(PARTITIONS)) - others:
                await write(fence, number, str(turn).encode())
    for number in range(PARTITIONS):
        assert await written(settings, number) == [str(turn).encode() for turn in range(ROUNDS)]
