"""The lag of a group, from where its partitions stand and what is known of their records."""

from collections.abc import Mapping

import pytest

from pipeline.adapters.clock import ManualClock
from pipeline.adapters.kafka.consumer import LogPartition
from pipeline.adapters.kafka.lag import GroupLag, Lag, headrooms
from pipeline.adapters.kafka.offsets import Bounds

PLACE, OTHER = LogPartition("traces", 0), LogPartition("traces", 1)


class Log:
    """Partitions whose record at offset n was appended n seconds after the clock began."""

    def __init__(self, clock: ManualClock) -> None:
        self.began_ms = clock.now_us() // 1000
        self.bounds_now: dict[LogPartition, Bounds] = {}
        self.asked: list[Mapping[LogPartition, int]] = []

    async def bounds(self) -> dict[LogPartition, Bounds]:
        return self.bounds_now

    async def append_times(self, offsets: Mapping[LogPartition, int]) -> dict[LogPartition, int]:
        self.asked.append(offsets)
        return {place: self.began_ms + offset * 1000 for place, offset in offsets.items()}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def log(clock: ManualClock) -> Log:
    return Log(clock)


@pytest.fixture
def lag(clock: ManualClock, log: Log) -> GroupLag:
    return GroupLag(clock, log, log.append_times)


async def test_the_first_look_reads_the_oldest_record_of_each_partition_that_waits(
    clock: ManualClock, log: Log, lag: GroupLag
) -> None:
    log.bounds_now = {PLACE: Bounds(0, 20, 5), OTHER: Bounds(0, 20, 20)}
    clock.advance(30.0)

    assert await lag.look() == {PLACE: Lag(15, 25.0), OTHER: Lag(0, 0.0)}
    assert log.asked == [{PLACE: 5}]


async def test_what_came_since_the_last_look_is_not_read(clock: ManualClock, log: Log, lag: GroupLag) -> None:
    log.bounds_now = {PLACE: Bounds(0, 5, 5)}
    await lag.look()
    log.bounds_now = {PLACE: Bounds(0, 9, 5)}
    clock.advance(10.0)

    assert await lag.look() == {PLACE: Lag(4, 0.0)}
    assert log.asked == []


async def test_a_record_that_stays_is_read_once_and_grows_old(clock: ManualClock, log: Log, lag: GroupLag) -> None:
    log.bounds_now = {PLACE: Bounds(0, 9, 5)}
    seconds = []
    for _ in range(3):
        clock.advance(10.0)
        seconds.append((await lag.look())[PLACE].seconds)

    assert seconds == [5.0, 15.0, 25.0]
    assert log.asked == [{PLACE: 5}]


async def test_a_group_that_moves_on_but_not_far_enough_is_looked_up_again(
    clock: ManualClock, log: Log, lag: GroupLag
) -> None:
    log.bounds_now = {PLACE: Bounds(0, 20, 5)}
    clock.advance(40.0)
    await lag.look()
    log.bounds_now = {PLACE: Bounds(0, 30, 15)}

    assert await lag.look() == {PLACE: Lag(15, 25.0)}
    assert log.asked == [{PLACE: 5}, {PLACE: 15}]


async def test_where_only_markers_follow_nothing_waits_long(clock: ManualClock, log: Log) -> None:
    async def no_records(_: Mapping[LogPartition, int]) -> dict[LogPartition, int]:
        return {}

    log.bounds_now = {PLACE: Bounds(0, 2, 1)}

    assert await GroupLag(clock, log, no_records).look() == {PLACE: Lag(1, 0.0)}


async def test_a_broker_whose_clock_is_ahead_makes_no_lag_below_zero(log: Log, lag: GroupLag) -> None:
    log.bounds_now = {PLACE: Bounds(0, 9, 5)}

    assert (await lag.look())[PLACE] == Lag(4, 0.0)


def test_headroom_is_what_retention_leaves_to_the_oldest_record_of_a_topic() -> None:
    lags = {PLACE: Lag(3, 100.0), OTHER: Lag(1, 20.0), LogPartition("spans", 0): Lag(0, 0.0)}

    assert headrooms({"traces": 3600.0, "spans": 60.0}, lags) == {"traces": 3500.0, "spans": 60.0}
