"""A bound on the bytes that a process holds at once: bodies in hand, and records that Kafka has not confirmed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pipeline.adapters.telemetry.metrics import GATEWAY_IN_FLIGHT_BYTES, GATEWAY_OVERLOADS
from pipeline.errors import Overloaded


class Hold:
    """The bytes that one piece of work has taken from a budget."""

    __slots__ = ("_budget", "_bytes")

    def __init__(self, budget: "ByteBudget") -> None:
        self._budget: Final = budget
        self._bytes = 0

    def add(self, size: int) -> None:
        """Take `size` bytes more; raises Overloaded where the budget does not have them."""
        self._budget.take(size)
        self._bytes += size

    def release(self) -> None:
        """Give everything back; a second call gives nothing."""
        self._budget.release(self._bytes)
        self._bytes = 0


class ByteBudget:
    """Bytes in use, never more than `bytes_max`; who asks for more is told to come back, not made to wait."""

    def __init__(self, bytes_max: int, *, retry_after_seconds: int) -> None:
        self._bytes_max: Final = bytes_max
        self._retry_after_seconds: Final = retry_after_seconds
        self._used = 0

    @property
    def used(self) -> int:
        """How many bytes are taken now."""
        return self._used

    def take(self, size: int) -> None:
        """Take `size` bytes; raises Overloaded where they would exceed the bound."""
        if self._used + size > self._bytes_max:
            GATEWAY_OVERLOADS.labels("in_flight_bytes").inc()
            raise Overloaded(
                f"{self._used:,} of {self._bytes_max:,} bytes are in flight, {size:,} more are too many",
                retry_after_seconds=self._retry_after_seconds,
            )
        self._used += size
        GATEWAY_IN_FLIGHT_BYTES.inc(size)

    def release(self, size: int) -> None:
        """Give `size` bytes back."""
        self._used -= size
        GATEWAY_IN_FLIGHT_BYTES.dec(size)

    @contextmanager
    def hold(self) -> Iterator[Hold]:
        """Yield a hold that gives back whatever was taken through it."""
        hold = Hold(self)
        try:
            yield hold
        finally:
            hold.release()
