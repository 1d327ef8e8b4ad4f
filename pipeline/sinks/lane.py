"""The way of one table: a batch that fills while the one before it is written."""

import asyncio
from typing import Final

from pipeline.adapters.telemetry.logs import logger
from pipeline.sinks.batch import Batch
from pipeline.sinks.writer import Writer

_LOG: Final = logger(__name__)


class Lane:
    """At most one batch in writing and one filling, so that rows of a table are stored in the order of their offsets."""

    def __init__(self, writer: Writer) -> None:
        self.writer: Final = writer
        self.filling: Batch | None = None
        self.writing: Batch | None = None
        self.task: asyncio.Task[None] | None = None

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

    def due_at(self) -> float | None:
        """Return when to call `write`, None while there is nothing to write or a write goes on."""
        if self.filling is None or self.task is not None:
            return None
        return self.filling.due_at

    def write(self) -> None:
        """Begin to write what has filled."""
        self.writing, self.filling = self.filling, None
        if self.writing is not None:
            self.task = asyncio.create_task(self.writer.write(self.writing))

    def finish(self) -> bool:
        """Tell whether a write has ended since the last call; raises what it raised."""
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
                _LOG.warning("a write failed while it was abandoned", table=self.writer.table.name, reason=str(error))
