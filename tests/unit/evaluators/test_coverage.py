import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.consumer import LogPartition
from pipeline.errors import BrokerUnavailable
from pipeline.evaluators.coverage import Coverage, is_covered

A, B = LogPartition("traces", 0), LogPartition("spans", 3)


@pytest.mark.parametrize(
    ("ends", "committed", "expected"),
    [
        ({A: 5, B: 2}, {A: 5, B: 2}, True),
        ({A: 5, B: 2}, {A: 9, B: 2}, True),
        ({A: 5, B: 2}, {A: 5, B: 1}, False),
        ({A: 5, B: 0}, {A: 5}, True),
        ({A: 1}, {}, False),
    ],
)
def test_storage_has_everything_when_every_partition_has_come_to_its_end(
    ends: dict[LogPartition, int], committed: dict[LogPartition, int], *, expected: bool
) -> None:
    assert is_covered(ends, committed) is expected


class Logs:
    """Logs whose ends and committed offsets are said by the test; it counts how often it is asked for the ends."""

    def __init__(self) -> None:
        self.end = 5
        self.stored = 0
        self.ends_asked = 0
        self.is_away = False
        self.asked = asyncio.Event()

    async def ends(self) -> dict[LogPartition, int]:
        self.ends_asked += 1
        return {A: self.end}

    async def committed(self) -> dict[LogPartition, int]:
        self.asked.set()
        if self.is_away:
            raise BrokerUnavailable("no broker")
        return {A: self.stored}

    async def looked_at(self) -> None:
        """Return after the offsets were asked for twice more, so that what was said before is known."""
        for _ in range(2):
            self.asked.clear()
            await self.asked.wait()


Make = Callable[[float], Coverage]


@pytest.fixture
def logs() -> Logs:
    return Logs()


@pytest.fixture
async def make(logs: Logs) -> AsyncIterator[Make]:
    running: list[asyncio.Task[None]] = []

    def made(snapshot_seconds: float) -> Coverage:
        coverage = Coverage(
            logs, SystemClock(), snapshot_seconds=snapshot_seconds, poll_seconds=0.001, retry_seconds_max=0.01
        )
        running.append(asyncio.create_task(coverage.run()))
        return coverage

    yield made
    for task in running:
        task.cancel()
    await asyncio.wait(running)


async def test_who_waits_goes_on_once_storage_has_what_was_in_the_log_when_he_came(logs: Logs, make: Make) -> None:
    coverage = make(0.001)
    waiting = asyncio.create_task(coverage.covered())
    await logs.looked_at()
    logs.end = 50  # what comes later does not count
    logs.stored = 4
    await logs.looked_at()
    assert not waiting.done()

    logs.stored = 5

    await asyncio.wait_for(waiting, 120)


async def test_many_share_one_look_at_the_ends(logs: Logs, make: Make) -> None:
    coverage = make(3600)
    waiting = [asyncio.create_task(coverage.covered()) for _ in range(100)]
    await logs.looked_at()
    late = asyncio.create_task(coverage.covered())
    logs.stored = 5

    await asyncio.wait_for(asyncio.gather(*waiting), 120)

    assert logs.ends_asked == 1
    assert not late.done(), "the next look is an hour away"
    late.cancel()


async def test_a_broker_that_is_away_is_asked_again(logs: Logs, make: Make) -> None:
    coverage = make(0.001)
    logs.is_away, logs.stored = True, 5
    waiting = asyncio.create_task(coverage.covered())
    await logs.looked_at()
    assert not waiting.done()

    logs.is_away = False

    await asyncio.wait_for(waiting, 120)


async def test_one_who_is_gone_holds_up_nobody(logs: Logs, make: Make) -> None:
    coverage = make(0.001)
    gone, waiting = (asyncio.create_task(coverage.covered()) for _ in range(2))
    await logs.looked_at()
    gone.cancel()
    logs.stored = 5

    await asyncio.wait_for(waiting, 120)
