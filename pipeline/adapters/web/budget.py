"""Bounds on what a process holds at once: bytes of bodies and records in hand, and records not yet confirmed.

One workspace may hold a share of it, so that it cannot keep all others out.

Bodies are read only while less than half is used; what is made of them may use it all. Else bodies in hand would fill
the bound at an overload, and every other one be refused after it was read, decoded and shaped.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Final

from pipeline.adapters.telemetry.metrics import GATEWAY_IN_FLIGHT_BYTES, GATEWAY_IN_FLIGHT_RECORDS, GATEWAY_OVERLOADS
from pipeline.errors import Overloaded

HELD_SHARE: Final = 0.5
"""Up to this share of what is bounded may be used where more is to be held."""


class Hold:
    """The bytes that one body has taken from a budget."""

    __slots__ = ("_budget", "_bytes", "_workspace")

    def __init__(self, budget: "ByteBudget", workspace: str | None) -> None:
        self._budget: Final = budget
        self._workspace: Final = workspace
        self._bytes = 0

    def add(self, size: int) -> None:
        """Take `size` bytes more; raises Overloaded where more than HELD_SHARE would be used."""
        self._budget.take(size, self._workspace, share_max=HELD_SHARE)
        self._bytes += size

    def release(self) -> None:
        """Give everything back; a second call gives nothing."""
        self._budget.release(self._bytes, self._workspace)
        self._bytes = 0


class ByteBudget:
    """Bytes in use, never more than `bytes_max`; who asks for more is told to come back, not made to wait.

    Where `share_max` is below 1, what is taken for a workspace is at most that share of the whole.
    """

    UNIT: ClassVar = "bytes"
    _GAUGE: ClassVar = GATEWAY_IN_FLIGHT_BYTES

    def __init__(self, bytes_max: int, *, retry_after_seconds: int, share_max: float = 1.0) -> None:
        self._max: Final = bytes_max
        self._retry_after_seconds: Final = retry_after_seconds
        self._workspace_max: Final = max(1, int(bytes_max * share_max))
        self._is_shared: Final = share_max < 1
        self._used = 0
        self._by_workspace: Final[dict[str, int]] = {}

    @property
    def used(self) -> int:
        """How much is taken now."""
        return self._used

    def take(self, size: int, workspace: str | None = None, *, share_max: float = 1.0) -> None:
        """Take `size` for `workspace`; raises Overloaded where that would exceed `share_max` of a bound."""
        bound = int(self._max * share_max)
        if self._used + size > bound:
            self._refuse(f"in_flight_{self.UNIT}", self._used, bound, size)
        if self._is_shared and workspace is not None:
            held, bound = self._by_workspace.get(workspace, 0), int(self._workspace_max * share_max)
            if held + size > bound:
                self._refuse(f"workspace_in_flight_{self.UNIT}", held, bound, size)
            self._by_workspace[workspace] = held + size
        self._used += size
        self._GAUGE.inc(size)

    def release(self, size: int, workspace: str | None = None) -> None:
        """Give `size` back."""
        self._used -= size
        self._GAUGE.dec(size)
        if self._is_shared and workspace is not None:
            left = self._by_workspace.get(workspace, 0) - size
            if left > 0:
                self._by_workspace[workspace] = left
            else:
                self._by_workspace.pop(workspace, None)

    @contextmanager
    def hold(self, workspace: str | None = None) -> Iterator[Hold]:
        """Yield a hold that gives back whatever was taken through it."""
        hold = Hold(self, workspace)
        try:
            yield hold
        finally:
            hold.release()

    def _refuse(self, bound: str, held: int, held_max: int, size: int) -> None:
        GATEWAY_OVERLOADS.labels(bound).inc()
        raise Overloaded(
            f"{held:,} of {held_max:,} {self.UNIT} are in flight, {size:,} more are too many",
            retry_after_seconds=self._retry_after_seconds,
        )


class RecordBudget(ByteBudget):
    """The same bound on a number of records."""

    UNIT = "records"
    _GAUGE = GATEWAY_IN_FLIGHT_RECORDS
