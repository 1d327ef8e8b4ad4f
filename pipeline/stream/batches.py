"""Batches on their way from the consumer to the agent, bounded in number and in bytes.

The queue is not one of Faust's on purpose: Faust empties its queues whenever flow is resumed, the last time after it
has moved the positions to the committed offsets, and what was read in between would be lost.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from pipeline.stream.partition import Partition

BATCHES_AHEAD_MAX: Final = 4


class Batch(NamedTuple):
    """Records of one partition, in order, and the partition as it was owned when they were read."""

    partition: Partition
    records: Sequence[Any]


class BatchQueue:
    """Hands batches on in their order.

    `bytes_max` bounds the values of all batches that wait or are being applied; one that is larger goes through alone.
    """

    def __init__(self, *, bytes_max: int) -> None:
        self._bytes_max: Final = bytes_max
        self._batches: Final[asyncio.Queue[tuple[Batch, int]]] = asyncio.Queue(BATCHES_AHEAD_MAX)
        self._has_less: Final = asyncio.Event()
        self._bytes_in_hand = 0

    async def put(self, batch: Batch) -> None:
        """Wait until there is room for a batch, and let it wait for its turn."""
        size_bytes = sum([len(record.value) for record in batch.records if record.value])
        while self._bytes_in_hand and self._bytes_in_hand + size_bytes > self._bytes_max:
            self._has_less.clear()
            await self._has_less.wait()
        await self._batches.put((batch, size_bytes))
        self._bytes_in_hand += size_bytes

    @asynccontextmanager
    async def next(self) -> AsyncIterator[Batch]:
        """Wait for the next batch; it is in hand until the block is left."""
        batch, size_bytes = await self._batches.get()
        try:
            yield batch
        finally:
            self._bytes_in_hand -= size_bytes
            self._has_less.set()
