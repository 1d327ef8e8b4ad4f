"""The way of one table: a batch fills while the one before it is inserted, and the one before that folded."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from pipeline.adapters.telemetry.logs import logger
from pipeline.sinks.batch import Batch

_LOG: Final = logger(__name__)
Step = Callable[[Batch], Coroutine[Any, Any, None]]


class Lane:
    """At most one batch in each step, so that rows of a table are stored, and folded, in the order of their offsets.

    `store` and `fold` return when a batch is stored, and folded; `on_end` is called when one of them ends, however it
    ends. A batch is outstanding until it is folded.
    """

    def __init__(self, name: str, store: Step, fold: Step, on_end: Callable[[], None]) -> None:
        self._name: Final = name
        self._store: Final = store
        self._fold: Final = fold
        self._on_end: Final = on_end
        self.filling: Batch | None = None
        self.storing: Batch | None = None
        self.folding: Batch | None = None
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
        """What to wait for before the next `finish`: not for an insert that ended and waits for the fold before it."""
        return [
            task for task in self._tasks() if task is not self._store_task or not task.done() or self.folding is None
        ]

    def outstanding(self) -> list[Batch]:
        """Return what is not yet stored and folded."""
        return [batch for batch in (self.folding, self.storing, self.filling) if batch is not None]

    def write(self) -> None:
        """Begin to store what has filled; only where `can_write`."""
        batch, self.filling = self.filling, None
        if batch is None or self.storing is not None:
            raise AssertionError("one batch at a time")
        self.storing = batch
        self._store_task = self._begin(self._store(batch))

    def finish(self) -> bool:
        """Go on with what has ended; tell whether a batch was folded since the last call.

        Raises what a step raised; the batch then stays outstanding, and nothing after it is written.
        """
        has_folded = False
        if self._fold_task is not None and self._fold_task.done():
            task, self._fold_task = self._fold_task, None
            task.result()
            self.folding = None
            has_folded = True
        if (
            self._store_task is not None
            and self._store_task.done()
            and self.folding is None
            and self.storing is not None
        ):
            task, self._store_task = self._store_task, None
            task.result()
            self.folding, self.storing = self.storing, None
            self.folding.release()
            self._fold_task = self._begin(self._fold(self.folding))
        return has_folded

    async def abandon(self) -> None:
        """Forget what is not stored: it will be read again."""
        tasks = self._tasks()
        self._store_task = self._fold_task = None
        self.folding = self.storing = self.filling = None
        for task in tasks:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) is not None:
                _LOG.warning("a write failed while it was abandoned", table=self._name, reason=str(error))

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for task in (self._fold_task, self._store_task) if task is not None]

    def _begin(self, step: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(step)
        task.add_done_callback(lambda _: self._on_end())
        return task
