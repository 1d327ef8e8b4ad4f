"""The time, as a thing one can replace."""

import time
from typing import Protocol


class Clock(Protocol):
    """What every part that needs the time is handed."""

    def now_us(self) -> int:
        """Return the wall-clock time, in microseconds since 1970 UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring durations."""


class SystemClock:
    """The machine's clock; `now_us` never repeats a value within one process.

    Events without a version of their own are versioned by receipt, so two receipts must not tie.
    """

    def __init__(self) -> None:
        self._last_us = 0

    def now_us(self) -> int:
        """Return the wall-clock time, strictly increasing, in microseconds since 1970 UTC."""
        self._last_us = max(self._last_us + 1, time.time_ns() // 1000)  # noqa: TID251
        return self._last_us

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring durations."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told; for tests and simulations."""

    def __init__(self, now_us: int = 1_700_000_000_000_000) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        """Return the time it was set to, in microseconds since 1970 UTC."""
        return self._now_us

    def monotonic(self) -> float:
        """Return the same time, in seconds."""
        return self._now_us / 1e6

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`."""
        self._now_us += round(seconds * 1e6)
