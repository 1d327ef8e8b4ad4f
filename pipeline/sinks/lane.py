"""The way of one table: a batch fills while the one before it is inserted, and those before that are folded."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from pipeline.adapters.telemetry.logs import logger
from pipeline.sinks.batch import Batch

_LOG: Final = logger(__name__)
Store = Callable[[Batch], Coroutine[Any, Any, None]]
Fold = Callable[[Sequence[Batch]], Coroutine[Any, Any, None]]


class Lane:
    """At most one insert and one fold at a time, so that rows are stored, and folded, in the order of their offsets.

    What is stored while a fold runs is folded together by the next one, up to `fold_rows_max` records: much of what
    folding costs is reading what a thread already has, and that is the same for one batch and for several.

    `store` and `fold` return when a batch is stored, and some are folded; `on_end` is called when one of them ends,
    however it ends. A batch is outstanding until it is folded. Where the table `has_threads`, what is folded waits for
    `take_folded`, up to the same number of records, and is outstanding until then.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        fold: Fold,
        on_end: Callable[[], None],
        *,
        fold_rows_max: int,
        has_threads: bool = False,
    ) -> None:
        self.name: Final = name
        self._store: Final = store
        self._fold: Final = fold
        self._on_end: Final = on_end
        self._fold_rows_max: Final = fold_rows_max
        self._has_threads: Final = has_threads
        self.filling: Batch | None = None
        self.storing: Batch | None = None
        self.stored: list[Batch] = []
        self.folding: list[Batch] = []
        self.folded: list[Batch] = []
        """Folded, but their threads are not."""
        self._store_task: asyncio.Task[None] | None = None
        self._fold_task: asyncio.Task[None] | None = None

    @property
    def can_write(self) -> bool:
        """Whether there is something to write and nothing in the way: no insert, and none that failed."""
        return self.filling is not None and self.storing is None

    @property
    def is_blocked(self) -> bool:
        """Whether nothing more should be added until a write ends."""
        return self.storing is not None and self.filling is not None and self.filling.is_full

    @property
    def bytes(self) -> int:
        """How much it holds."""
        return sum(batch.bytes for batch in self.outstanding())

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """What to wait for before the next `finish`: not for an insert that ended and waits for a fold, or a pass."""
        is_waiting = bool(self.folding or self.folded)
        return [task for task in self._tasks() if task is not self._store_task or not task.done() or not is_waiting]

    def outstanding(self) -> list[Batch]:
        """Return what is not yet stored and folded, and taken where it has threads."""
        later = [batch for batch in (self.storing, self.filling) if batch is not None]
        return [*self.folded, *self.folding, *self.stored, *later]

    def take_folded(self) -> list[Batch]:
        """Hand over what waits for its threads to be folded."""
        taken, self.folded = self.folded, []
        return taken

    def write(self) -> None:
        """Begin to store what has filled; only where `can_write`."""
        batch, self.filling = self.filling, None
        if batch is None or self.storing is not None:
            raise AssertionError("one batch at a time")
        self.storing = batch
        self._store_task = self._begin(self._store(batch))

    def finish(self) -> bool:
        """Go on with what has ended; tell whether anything was folded since the last call.

        Raises what a step raised; its batches then stay outstanding, and nothing after them is written.
        """
        has_folded = False
        if self._fold_task is not None and self._fold_task.done():
            task, self._fold_task = self._fold_task, None
            task.result()
            if self._has_threads:
                self.folded += self.folding
            self.folding = []
            has_folded = True
        self._take_stored()
        if self.stored and not self.folding and self._fits(self.folded, self.stored):
            self.folding, self.stored = self.stored, []
            self._fold_task = self._begin(self._fold(self.folding))
            self._take_stored()
        return has_folded

    def _take_stored(self) -> None:
        """Let a batch that was stored wait for its fold, where those that wait leave room for it."""
        if self._store_task is None or not self._store_task.done() or self.storing is None:
            return
        if not self._fits(self.stored, [self.storing]):
            return
        task, self._store_task = self._store_task, None
        task.result()
        self.storing.release()
        self.stored.append(self.storing)
        self.storing = None

    def _fits(self, waiting: Sequence[Batch], more: Sequence[Batch]) -> bool:
        """Tell whether `more` may wait beside what waits already; alone it always may."""
        return not waiting or sum(one.records for one in (*waiting, *more)) <= self._fold_rows_max

    async def abandon(self) -> None:
        """Forget what is not stored: it will be read again."""
        tasks = self._tasks()
        self._store_task = self._fold_task = None
        self.storing = self.filling = None
        self.stored, self.folding, self.folded = [], [], []
        for task in tasks:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) is not None:
                _LOG.warning("a write failed while it was abandoned", table=self.name, reason=str(error))

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for task in (self._fold_task, self._store_task) if task is not None]

    def _begin(self, step: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(step)
        task.add_done_callback(lambda _: self._on_end())
        return task
