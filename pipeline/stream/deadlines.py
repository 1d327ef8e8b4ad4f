"""The deadlines of open threads, one entry a thread, given back in order.

Most deadlines move before they fire: each event of a thread moves its own. An entry is not touched by that. It
stands in a bucket of one second, and only when log time reaches the bucket is the true deadline asked for: then the
entry moves on to a later bucket, or into the small heap of what fires next.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

BUCKET_US: Final = 1_000_000
NEVER: Final = 1 << 62

DeadlineOf = Callable[[bytes], int | None]
"""Tells the true deadline of a thread, or None if it is not open."""


class Deadlines:
    """Finds what is due. `next_us` is never later than the earliest deadline."""

    __slots__ = ("_buckets", "_deadline_of", "_expanded", "_near", "_seconds", "_stale", "next_us")

    def __init__(self, deadline_of: DeadlineOf) -> None:
        self._deadline_of = deadline_of
        self._buckets: dict[int, list[bytes]] = {}
        self._seconds: list[int] = []
        self._near: list[tuple[int, bytes]] = []
        self._expanded = 0  # every bucket below this is in `_near`
        self._stale: set[bytes] = set()
        self.next_us = NEVER

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._near) + sum(map(len, self._buckets.values()))

    def add(self, key: bytes, deadline_us: int) -> None:
        """Enter a thread that opened; the entry that an earlier session left behind serves again.

        Deadlines of a thread only move forward; where a setting moves them back, all are entered anew.
        """
        if key in self._stale:
            self._stale.remove(key)
        else:
            self._enter(key, deadline_us)

    def leave(self, key: bytes) -> None:
        """Note that a thread was closed before its deadline; its entry stays until its bucket is reached."""
        self._stale.add(key)

    def take(self, now_us: int, limit: int) -> list[tuple[int, bytes]]:
        """Remove and return threads that are due, in the order of (deadline, key), looking at up to `limit` entries.

        More may be due while `next_us` <= `now_us`, even where nothing was returned.
        """
        looked = self._expand(now_us // BUCKET_US, limit)
        due: list[tuple[int, bytes]] = []
        near = self._near
        while looked < limit and near and near[0][0] <= now_us:
            entered_us, key = heappop(near)
            looked += 1
            deadline_us = self._deadline_of(key)
            if deadline_us is None:
                self._stale.discard(key)
            elif deadline_us > entered_us:
                self._enter(key, deadline_us)
                if deadline_us <= now_us:  # its bucket may still have to be expanded, before what comes later
                    break
            else:
                due.append((deadline_us, key))
        self._find_next()
        return due

    def _expand(self, second_max: int, limit: int) -> int:
        """Put what stands in the buckets up to `second_max` where it now belongs; return how many entries that were."""
        looked = 0
        while looked < limit and self._seconds and self._seconds[0] <= second_max:
            second = self._seconds[0]
            bucket = self._buckets[second]
            while looked < limit and bucket:
                key = bucket.pop()
                looked += 1
                deadline_us = self._deadline_of(key)
                if deadline_us is None:
                    self._stale.discard(key)
                elif deadline_us // BUCKET_US > second:
                    self._enter(key, deadline_us)
                else:
                    heappush(self._near, (deadline_us, key))
            if not bucket:
                heappop(self._seconds)
                del self._buckets[second]
                self._expanded = second + 1
        return limit if self._seconds and self._seconds[0] <= second_max else looked

    def _enter(self, key: bytes, deadline_us: int) -> None:
        second = deadline_us // BUCKET_US
        if second < self._expanded:
            heappush(self._near, (deadline_us, key))
        elif second in self._buckets:
            self._buckets[second].append(key)
        else:
            self._buckets[second] = [key]
            heappush(self._seconds, second)
        self.next_us = min(self.next_us, deadline_us)

    def _find_next(self) -> None:
        bucket_us = self._seconds[0] * BUCKET_US if self._seconds else NEVER
        self.next_us = min(bucket_us, self._near[0][0] if self._near else NEVER)
