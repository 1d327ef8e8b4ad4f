"""Wait until storage has what was in the log: a transcript read before that would miss its last turns.

Traces without a thread id, and spans, lie in any partition. So the ends of all partitions are taken, once for all
sessions that arrived since the last time; when the sinks have committed up to there, everything that stood in the log
before is stored and folded.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.consumer import LogPartition
from pipeline.adapters.retry import Backoff
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import BrokerUnavailable

_LOG: Final = logger(__name__)

Offsets = Mapping[LogPartition, int]


class Watermarks(Protocol):
    """What is asked: `adapters.kafka.watermarks.Watermarks`. Both raise BrokerUnavailable."""

    async def ends(self) -> Offsets:
        """Return the end of every partition."""

    async def committed(self) -> Offsets:
        """Return how far the sinks have come in every partition."""


class _Snapshot(NamedTuple):
    """Ends of the logs, and who waits until storage has come so far."""

    ends: Offsets
    waiting: list[asyncio.Future[None]]


def is_covered(ends: Offsets, committed: Offsets) -> bool:
    """Tell whether `committed` has reached every one of `ends`; an empty partition needs nothing."""
    return all(end == 0 or committed.get(place, 0) >= end for place, end in ends.items())


class Coverage:
    """Lets sessions go once storage has all that came before them; `run` does the looking, for all at once."""

    def __init__(
        self, watermarks: Watermarks, clock: Clock, *, snapshot_seconds: float, poll_seconds: float,
        retry_seconds_max: float,
    ) -> None:  # fmt: skip
        self._watermarks: Final = watermarks
        self._clock: Final = clock
        self._snapshot_seconds: Final = snapshot_seconds
        self._poll_seconds: Final = poll_seconds
        self._backoff: Final = Backoff(seconds_max=retry_seconds_max)
        self._arrived: list[asyncio.Future[None]] = []
        self._snapshots: Final[deque[_Snapshot]] = deque()
        self._looked_at = -snapshot_seconds
        self._wanted: Final = asyncio.Event()

    async def covered(self) -> None:
        """Return when storage has everything that is in the log now, however long that takes."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrived.append(waiter)
        self._wanted.set()
        began = self._clock.monotonic()
        await waiter
        metrics.EVALUATORS_STORAGE_WAIT_SECONDS.observe(self._clock.monotonic() - began)

    async def run(self) -> None:
        """Look for ever, while somebody waits."""
        while True:
            await self._wanted.wait()
            pause_seconds = self._poll_seconds
            try:
                await self._look()
                self._backoff.reset()
            except BrokerUnavailable as error:
                metrics.EVALUATORS_RETRIES.labels("kafka").inc()
                pause_seconds = self._backoff.pause()
                _LOG.warning("nobody can tell how far storage is", reason=str(error))
            if not self._arrived and not self._snapshots:
                self._wanted.clear()
            else:
                await asyncio.sleep(pause_seconds)

    async def _look(self) -> None:
        now = self._clock.monotonic()
        if self._arrived and now >= self._looked_at + self._snapshot_seconds:
            arrived = len(self._arrived)
            ends = await self._watermarks.ends()  # of which those that arrive in the meantime know nothing
            waiting, self._arrived = self._arrived[:arrived], self._arrived[arrived:]
            self._snapshots.append(_Snapshot(ends, waiting))
            self._looked_at = now
        if not self._snapshots:
            return
        committed = await self._watermarks.committed()
        # Ends only grow: a snapshot that is not covered hides none that is.
        while self._snapshots and is_covered(self._snapshots[0].ends, committed):
            for waiter in self._snapshots.popleft().waiting:
                if not waiter.done():
                    waiter.set_result(None)
