"""Fold threads for all lanes together, now and then: what they cost hardly depends on how much was stored meanwhile.

Most of it is reading what touched threads have already, and a part is the same for any statement. So traces and spans
are folded soon after they were stored, and wait, without their records, for the next pass over threads.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import StorageUnavailable, Unstorable
from pipeline.settings import SinksSettings
from pipeline.sinks.attempts import until_done
from pipeline.sinks.batch import Batch
from pipeline.sinks.fold import fold_threads
from pipeline.sinks.lane import Lane
from pipeline.sinks.ranges import Covered, together

_LOG: Final = logger(__name__)
_LABEL: Final = "threads"
_REST_SHARE: Final = 1
"""How many times as long as the last pass took none begins: at most half of the time goes into them. A thread that goes
on is folded whole each time, so under load more traces share what that costs."""

Waiting = Mapping[str, Sequence[Batch]]
"""Batches by the table that they were inserted into; their rows are folded, their threads are not."""
FoldThreads = Callable[[Waiting], Coroutine[Any, Any, None]]


class ThreadFolder:
    """Folds the threads of batches. It tries for ever while storage is away."""

    def __init__(self, client: ClickHouse, clock: Clock, settings: SinksSettings) -> None:
        self._client: Final = client
        self._clock: Final = clock
        self._settings: Final = settings

    async def fold(self, waiting: Waiting) -> None:
        """Return when the threads of all batches are folded."""
        for covered in shares_of(waiting):
            began_at = self._clock.monotonic()
            await until_done(
                lambda covered=covered: self._once(covered),  # type: ignore[misc]
                _LABEL,
                pause_seconds_max=self._settings.retry_seconds_max,
            )
            metrics.SINKS_FOLD_SECONDS.labels(_LABEL).observe(self._clock.monotonic() - began_at)

    async def _once(self, covered: Mapping[str, Covered]) -> None:
        try:
            await fold_threads(self._client, covered, cores_max=self._settings.thread_fold_cores_max)
        except Unstorable as refusal:
            # What is folded is stored already, so none of it is poison: the tables, or we, must be put right.
            raise StorageUnavailable(f"folding threads: {refusal}", code=refusal.code) from refusal


def shares_of(waiting: Waiting) -> Iterator[dict[str, Covered]]:
    """Yield what the batches cover, by table, so that each share can be folded by one statement."""
    by_table = {}
    for table, batches in waiting.items():
        own = [batch.own for batch in batches if batch.own is not None]
        replayed = [covered for batch in batches for covered in batch.replayed]
        by_table[table] = [together(own), *replayed] if own else replayed
    for share in zip_longest(*by_table.values()):
        yield {table: covered for table, covered in zip(by_table, share, strict=True) if covered is not None}


class ThreadPass:
    """At most one pass over threads at a time, and at most one every `interval_seconds`, or twice its length.

    `fold` returns when the threads of batches are folded; `on_end` is called when it ends, however it ends. A batch is
    outstanding until then, so that the offsets of what a crash left unfolded are not committed, and are read again.
    """

    def __init__(
        self, lanes: Iterable[Lane], fold: FoldThreads, on_end: Callable[[], None], *, interval_seconds: float
    ) -> None:
        self._lanes: Final = list(lanes)
        self._fold: Final = fold
        self._on_end: Final = on_end
        self._interval_seconds: Final = interval_seconds
        self._folding: dict[str, list[Batch]] = {}
        self._task: asyncio.Task[None] | None = None
        self._began_at = 0.0
        self._may_begin_at = 0.0

    @property
    def due_at(self) -> float | None:
        """When the next pass begins, in monotonic seconds; None while nothing waits for it, or one is under way."""
        is_wanted = not self._folding and any(lane.folded for lane in self._lanes)
        return self._may_begin_at if is_wanted else None

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """What to wait for before the next `finish`."""
        return [] if self._task is None else [self._task]

    def outstanding(self) -> list[Batch]:
        """Return the batches of the pass that is under way."""
        return [batch for batches in self._folding.values() for batch in batches]

    def finish(self, now: float, *, at_once: bool = False) -> bool:
        """End the pass that is done, and begin the next one where it is due; tell whether one ended.

        Raises what the pass raised; its batches then stay outstanding, and no other begins.
        """
        has_ended = False
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            task.result()
            self._folding = {}
            self._may_begin_at = max(self._may_begin_at, now + _REST_SHARE * (now - self._began_at))
            has_ended = True
        due_at = self.due_at
        if due_at is not None and (at_once or due_at <= now):
            self._folding = {lane.name: lane.take_folded() for lane in self._lanes if lane.folded}
            self._began_at, self._may_begin_at = now, now + self._interval_seconds
            self._task = asyncio.create_task(self._fold(self._folding))
            self._task.add_done_callback(lambda _: self._on_end())
        return has_ended

    async def abandon(self) -> None:
        """Forget what is not folded: it will be read again."""
        task, self._task = self._task, None
        self._folding = {}
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) is not None:
                _LOG.warning("a pass over threads failed while it was abandoned", reason=str(error))
