"""From Kafka to the agent in bulk: Faust's consumer with three of its paths replaced.

Faust moves each record through four asyncio tasks, a lock and a queue (11 to 13 thousand records a second), and tracks
the acknowledgement of each. Here what one poll brought for one partition is one batch; the agent takes batches from a
queue of its own, and offsets are committed up to the last record that was applied.

The queue is not one of Faust's on purpose: Faust empties its queues whenever flow is resumed, the last time after it
has moved the positions to the committed offsets, and what was read in between would be lost. A batch that a rebalance
has made stale is recognised by its partition instead.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import faust
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from pipeline.stream import faust_internals
from pipeline.stream.partition import Partition

BATCHES_AHEAD_MAX: Final = 4
POLL_SECONDS_MAX: Final = 1.0
FETCH_WAIT_MS_MAX: Final = 250


class Batch(NamedTuple):
    """Records of one partition, in order, and the partition as it was owned when they were read."""

    partition: Partition
    records: Sequence[Any]


class Restored(NamedTuple):
    """Tells Faust's recovery how far a changelog partition has been read; it looks at nothing else of an event."""

    message: "Progress"


class Progress(NamedTuple):
    """The place in a changelog."""

    tp: TP
    offset: int


class ForAgent(Protocol):
    """What the consumer needs of the app."""

    changelog: str
    batches: asyncio.Queue[Batch]
    fetch_bytes_max: int

    def partition(self, number: int) -> Partition | None:
        """Return a partition that is owned and restored."""

    def restore(self, number: int, records: Sequence[Any]) -> None:
        """Take in records of the changelog."""

    def note_progress(self) -> None:
        """Hear that the consumer loop turned once more."""

    async def commit_all(self) -> bool:
        """Make everything durable and commit."""
