"""A member of a group with a work that stores nothing but what it was given."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

import pytest

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.kafka.consumer import Fetched, LogPartition
from pipeline.adapters.kafka.member import GroupMember, Held, Tally
from pipeline.adapters.kafka.offsets import read_bounds
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.events.envelope import Record, headers_of
from pipeline.local.broker import EmbeddedBroker
from pipeline.settings import KafkaSettings, SinksSettings
from pipeline.topics import SINKS_GROUP, TRACES
from tests.integration.adapters.kafka.conftest import Broker
from tests.support.waiting import eventually

SECONDS_MAX = 30.0
TOO_NEW = b"new"


@pytest.fixture
def settings(settings: KafkaSettings) -> KafkaSettings:
    # The embedded broker answers who joins only when all have: the wait must not be longer than a request's.
    return settings.model_copy(
        update={"session_timeout_ms": 3000, "heartbeat_interval_ms": 500, "request_timeout_ms": 30_000}
    )


class Keeping:
    """Takes every record, commits at each step, and cannot read what is too new until it is told to."""

    def __init__(self, member: GroupMember) -> None:
        self.member = member
        self.taken: list[tuple[int, bytes | None]] = []
        self.understands = False
        self.ends: list[str] = []
        self._read: dict[LogPartition, int] = {}

    def wanted(self, assigned: Collection[LogPartition]) -> Collection[LogPartition]:
        return assigned

    def rest_seconds(self) -> float:
        return 1.0

    def take(self, place: LogPartition, fetched: Fetched) -> Held | None:
        for record in fetched.records:
            if record.value == TOO_NEW and not self.understands:
                return Held(record.offset, "too new")
            self.taken.append((place.partition, record.value))
            self._read[place] = record.offset + 1
        return None

    async def advance(self, now: float) -> None:
        assert now > 0
        await self._commit()

    async def hand_over(self) -> None:
        self.ends.append("handed over")
        await self._commit()

    async def drain(self) -> None:
        self.ends.append("drained")
        await self._commit()

    async def forget(self) -> None:
        self.ends.append("forgotten")
        self._read.clear()

    async def _commit(self) -> None:
        if self._read:
            await self.member.commit(self._read)


class Counted:
    """What a member counts."""

    def __init__(self) -> None:
        self.gaps: list[tuple[LogPartition, int]] = []
        self.held: list[LogPartition] = []
        self.retries = 0

    def tally(self) -> Tally:
        def retry() -> None:
            self.retries += 1

        return Tally(lambda place, records: self.gaps.append((place, records)), self.held.append, retry)


@asynccontextmanager
async def working(settings: KafkaSettings, counted: Counted) -> AsyncIterator[Keeping]:
    """Yield the work of a member that runs."""
    own = SinksSettings(newer_schema_retry_seconds=0.2, retry_seconds_max=0.2)
    member = GroupMember(settings, own, SystemClock(), (TRACES,), SINKS_GROUP, counted.tally())
    work, ready, stop = Keeping(member), asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(member.run(work, ready.set, stop))
    try:
        await asyncio.wait_for(ready.wait(), SECONDS_MAX)
        yield work
    finally:
        stop.set()
        await asyncio.wait_for(task, SECONDS_MAX)


async def until(condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    await eventually(holds, bool, seconds_max=SECONDS_MAX)


async def publish(settings: KafkaSettings, values: dict[int, list[bytes]]) -> None:
    async with EventProducer(settings, client_id="test") as producer:
        await producer.publish(
            TRACES,
            [Record(None, value, headers_of("trace"), number) for number, held in values.items() for value in held],
        )


async def test_a_partition_is_held_alone_and_read_on_once_it_is_understood(settings: KafkaSettings) -> None:
    await ensure_topics(settings, SystemClock())
    counted = Counted()
    await publish(settings, {0: [b"a", TOO_NEW, b"b"], 1: [b"c", b"d"]})

    async with working(settings, counted) as work:
        await until(lambda: len(work.taken) == 3 and bool(counted.held))
        assert sorted(work.taken) == [(0, b"a"), (1, b"c"), (1, b"d")]
        work.understands = True
        await until(lambda: len(work.taken) == 5)

    assert [value for number, value in work.taken if number == 0] == [b"a", TOO_NEW, b"b"]
    assert set(counted.held) == {LogPartition(TRACES.name, 0)}
    assert work.ends == ["drained", "forgotten"]
    bounds = await read_bounds(settings, [TRACES], SINKS_GROUP)
    assert [one.committed for one in bounds[TRACES.name]] == [3, 2, 0, 0]


async def test_partitions_are_handed_over_to_a_second_member_and_nothing_is_taken_twice(
    settings: KafkaSettings,
) -> None:
    await ensure_topics(settings, SystemClock())
    await publish(settings, {number: [b"1"] for number in range(4)})

    async with working(settings, Counted()) as first:
        await until(lambda: len(first.taken) == 4)
        async with working(settings, Counted()) as second:
            await until(lambda: len(second.member.consumer.assigned) == 2)
            assert first.ends == ["handed over", "forgotten"]
            await publish(settings, {number: [b"2"] for number in range(4)})
            await until(lambda: len(first.taken) + len(second.taken) == 8)

    assert sorted(first.taken + second.taken) == [(number, value) for number in range(4) for value in (b"1", b"2")]


@pytest.mark.apache_kafka
async def test_a_broker_that_was_away_is_read_on_from(broker: Broker, settings: KafkaSettings) -> None:
    if isinstance(broker, EmbeddedBroker):
        return  # it forgets everything with its process
    await ensure_topics(settings, SystemClock())
    await publish(settings, {0: [b"before"]})

    async with working(settings, Counted()) as work:
        await until(lambda: work.taken == [(0, b"before")])
        await broker.kill()
        await broker.start()
        await publish(settings, {0: [b"after"]})
        await until(lambda: work.taken == [(0, b"before"), (0, b"after")])
