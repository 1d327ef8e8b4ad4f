"""How much each workspace may send: token buckets of events and bytes.

A request is let in while its workspace has anything left, and then charged in full, so that a batch larger than the
bucket passes, and those after it wait until the debt is paid. Refused requests are told the whole second in which that
will be; they are refused before their body is read. Each process counts for itself.
"""

import math
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry.metrics import GATEWAY_OVERLOADS
from pipeline.errors import Overloaded

BUCKETS_MAX: Final = 10_000
"""Above this many workspaces, those are forgotten that have used nothing for a while: full buckets."""
WAIT_SECONDS_MAX: Final = 60
"""The longest pause that the npm SDK takes from `Retry-After`."""

Rate = Annotated[float, Meta(gt=0)]


class Quota(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a workspace may send in the long run; None is no bound. It may save up `burst_seconds` of it."""

    events_per_second: Rate | None = None
    bytes_per_second: Rate | None = None
    burst_seconds: Rate = 10.0


class TokenBucket:
    """Fills at `rate` a second up to `burst`; what is taken may leave a debt."""

    __slots__ = ("_at", "_balance", "_burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate: Final = rate
        self._burst: Final = burst
        self._balance = burst
        self._at = now

    def wait_seconds(self, now: float) -> float:
        """Return how long it takes until something is there; 0 where it is."""
        self._fill(now)
        return 0.0 if self._balance > 0 else -self._balance / self.rate

    def take(self, amount: float, now: float) -> None:
        """Take `amount`, whether it is there or not."""
        self._fill(now)
        self._balance -= amount

    def is_full(self, now: float) -> bool:
        """Tell whether it is as if nothing had ever been taken."""
        self._fill(now)
        return self._balance >= self._burst

    def _fill(self, now: float) -> None:
        self._balance = min(self._burst, self._balance + (now - self._at) * self.rate)
        self._at = now


class _Account:
    """The buckets of one workspace under one quota."""

    __slots__ = ("_bytes", "_events", "quota")

    def __init__(self, quota: Quota, now: float) -> None:
        self.quota: Final = quota
        self._events: Final = _bucket(quota.events_per_second, quota.burst_seconds, now)
        self._bytes: Final = _bucket(quota.bytes_per_second, quota.burst_seconds, now)

    def wait_seconds(self, now: float) -> tuple[float, str]:
        waits = [
            (bucket.wait_seconds(now), bound)
            for bucket, bound in ((self._events, "quota_events"), (self._bytes, "quota_bytes"))
            if bucket is not None
        ]
        return max(waits, default=(0.0, ""))

    def charge(self, events: int, size: int, now: float) -> None:
        if self._events is not None:
            self._events.take(events, now)
        if self._bytes is not None:
            self._bytes.take(size, now)

    def is_full(self, now: float) -> bool:
        return all(bucket is None or bucket.is_full(now) for bucket in (self._events, self._bytes))


class Quotas:
    """The accounts of all workspaces; `quota_of` says what holds for one now, None where nothing does."""

    def __init__(self, clock: Clock, quota_of: Callable[[str], Quota | None]) -> None:
        self._clock: Final = clock
        self._quota_of: Final = quota_of
        self._accounts: Final[dict[str, _Account]] = {}

    def admit(self, workspace: str) -> None:
        """Raise Overloaded, with the time to come back, where `workspace` has used up what it may send."""
        now = self._clock.monotonic()
        account = self._account(workspace, now)
        if account is None:
            return
        seconds, bound = account.wait_seconds(now)
        if seconds > 0:
            GATEWAY_OVERLOADS.labels(bound).inc()
            raise Overloaded(
                "the workspace has used up its quota", retry_after_seconds=min(WAIT_SECONDS_MAX, math.ceil(seconds))
            )

    def charge(self, workspace: str, *, events: int, size: int) -> None:
        """Count what is sent for `workspace`."""
        now = self._clock.monotonic()
        account = self._account(workspace, now)
        if account is not None:
            account.charge(events, size, now)

    def _account(self, workspace: str, now: float) -> _Account | None:
        quota = self._quota_of(workspace)
        if quota is None:
            return None
        account = self._accounts.get(workspace)
        if account is None or account.quota != quota:
            if len(self._accounts) >= BUCKETS_MAX:
                self._forget_unused(now)
            account = self._accounts[workspace] = _Account(quota, now)
        return account

    def _forget_unused(self, now: float) -> None:
        for workspace in [name for name, account in self._accounts.items() if account.is_full(now)]:
            del self._accounts[workspace]


def _bucket(rate: float | None, burst_seconds: float, now: float) -> TokenBucket | None:
    return None if rate is None else TokenBucket(rate, rate * burst_seconds, now)
