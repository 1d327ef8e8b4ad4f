"""The way of one table: a batch that fills while the one before it is written."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from pipeline.adapters.telemetry.logs import logger
from pipeline.sinks.batch import Batch

_LOG: Final = logger(__name__)


class Lane:
    """At most one batch in writing and one filling, so that rows of a table are stored in the order of their offsets.

    `write` returns when a batch is stored; `on_end` is called when that ends, however it ends.
    """

    def __init__(
        self, name: str, write: Callable[[Batch], Coroutine[Any, Any, None]], on_end: Callable[[], None]
    ) -> None:
        self._name: Final = name
        self._write: Final = write
        self._on_end: Final = on_end
        self.filling: Batch | None = None
        self.writing: Batch | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def can_write(self) -> bool:
        """Whether there is something to write and nothing in the way: no write, and none that failed."""
        return self.filling is not None and self.writing is None

    @property
    def is_blocked(self) -> bool:
        """Whether nothing more should be added until a write ends."""
        return self.writing is not None and self.filling is not None and self.filling.is_full

    @property
    def bytes(self) -> int:
        """How much it holds."""
        return sum(batch.bytes for batch in self.outstanding())

    def outstanding(self) -> list[Batch]:
        """Return what is not yet stored."""
        return [batch for batch in (self.writing, self.filling) if batch is not None]

    def write(self) -> None:
        """Begin to write what has filled; only where `can_write`."""
        batch, self.filling = self.filling, None
        if batch is None or self.writing is not None:
            raise AssertionError("one batch at a time")
        self.writing = batch
        self.task = asyncio.create_task(self._write(batch))
        self.task.add_done_callback(lambda _: self._on_end())

    def finish(self) -> bool:
        """Tell whether a write has ended since the last call; raises what it raised, and then writes no more."""
        if self.task is None or not self.task.done():
            return False
        task, self.task = self.task, None
        task.result()
        self.writing = None
        return True

    async def abandon(self) -> None:
        """Forget what is not stored: it will be read again."""
        task, self.task = self.task, None
        self.writing = self.filling = None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) is not None:
                _LOG.warning("a write failed while it was abandoned", table=self._name, reason=str(error))
