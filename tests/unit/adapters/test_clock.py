from itertools import pairwise

import pytest

from pipeline.adapters.clock import ManualClock, SystemClock

YEAR_2020_US = 1_577_836_800_000_000
DAY_US = 24 * 3600 * 1_000_000


def test_the_systems_clock_never_says_the_same_twice() -> None:
    clock = SystemClock()
    # Far more often than once a microsecond could be told apart on any machine.
    times = [clock.now_us() for _ in range(20_000)]

    assert all(earlier < later for earlier, later in pairwise(times))


def test_the_systems_clock_counts_microseconds_since_1970(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: YEAR_2020_US * 1000 + 999)

    assert SystemClock().now_us() == YEAR_2020_US


def test_a_clock_that_was_set_back_goes_on_by_microseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    monkeypatch.setattr("time.time_ns", lambda: YEAR_2020_US * 1000)
    first = clock.now_us()
    monkeypatch.setattr("time.time_ns", lambda: (YEAR_2020_US - DAY_US) * 1000)

    assert [clock.now_us(), clock.now_us()] == [first + 1, first + 2]


def test_durations_of_the_systems_clock_never_go_back() -> None:
    clock = SystemClock()
    times = [clock.monotonic() for _ in range(1000)]

    assert times == sorted(times)


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(YEAR_2020_US)

    assert [clock.now_us(), clock.now_us()] == [YEAR_2020_US, YEAR_2020_US]


@pytest.mark.parametrize(("seconds", "moved_us"), [(1e-6, 1), (0.3, 300_000), (1.001, 1_001_000), (900, 900_000_000)])
def test_a_manual_clock_moves_by_what_it_is_told(seconds: float, moved_us: int) -> None:
    clock = ManualClock(YEAR_2020_US)
    before = clock.monotonic()
    clock.advance(seconds)

    assert clock.now_us() == YEAR_2020_US + moved_us
    assert clock.monotonic() - before == pytest.approx(seconds, abs=1e-6)
