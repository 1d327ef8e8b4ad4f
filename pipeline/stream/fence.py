"""Who may write the state of a partition: its latest owner alone.

A worker that was paused for longer than its session goes on, when it wakes, as if it still owned its partitions. What
it says is true all the same, since outputs follow from the log alone; readers drop the repetition. But the state that
it writes is old, and whoever recovered from it would say what is false. So each partition has a transactional id, each
owner takes it before it reads the changelog, and the changelog alone is written in transactions.

That is enough if, when a partition goes live, nobody has written its state since its changelog was read. `confirm`
makes sure of that: had another taken the id in between, the first write under it would be refused.

Outputs stand outside of transactions on purpose. Their topics have many writers for each partition, and one that stops
in the middle of a transaction would hold back the outputs of all others from whoever reads only what is committed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import partial
from typing import Final, Protocol
from uuid import UUID

from pipeline.adapters.telemetry import logs, metrics
from pipeline.errors import Fenced
from pipeline.events.envelope import Record
from pipeline.settings import KafkaSettings
from pipeline.stream.fenced_producer import FencedProducer
from pipeline.stream.outputs import Publisher
from pipeline.stream.partition import Partition
from pipeline.topics import STREAM_GROUP, Topic

OWNER_KEY: Final = b"owner"
"""A key of the changelog that never has a value."""
AT_ONCE_MAX: Final = 16

_log = logs.logger(__name__)


class Fence(Protocol):
    """Gives out the right to write changelogs."""

    async def take(self, numbers: Iterable[int]) -> None:
        """Take these partitions from whoever had them, and give up those from before; raises BrokerUnavailable."""

    async def confirm(self, changelog: Topic) -> Collection[int]:
        """Return which of the partitions taken were taken by others since; raises BrokerUnavailable."""

    def writer_of(self, partition: Partition) -> Publisher:
        """Return what writes the changelog of a partition; it raises Fenced where another took it."""

    async def give_up(self) -> None:
        """Disconnect; who writes next takes the partitions anew."""


class TransactionalFence:
    """A transactional producer for each partition."""

    def __init__(self, settings: KafkaSettings, *, client_id: str, log_id: UUID) -> None:
        self._settings: Final = settings
        self._client_id: Final = client_id
        self._log_id: Final = log_id
        self._producers: dict[int, FencedProducer] = {}

    async def take(self, numbers: Iterable[int]) -> None:
        """Take these partitions, several at a time."""
        await self.give_up()
        self._producers = {number: self._producer_of(number) for number in numbers}
        await _a_few_at_once(producer.start for producer in self._producers.values())

    async def confirm(self, changelog: Topic) -> Collection[int]:
        """Write, under each id, that a key without a value has none."""
        fenced: list[int] = []

        async def write(number: int, producer: FencedProducer) -> None:
            try:
                await producer.publish(changelog, [Record(OWNER_KEY, None, (), number)])
            except Fenced as error:
                count_fenced(number, error)
                fenced.append(number)

        await _a_few_at_once(partial(write, number, producer) for number, producer in self._producers.items())
        return fenced

    def writer_of(self, partition: Partition) -> Publisher:
        """Return the producer of a partition; raises KeyError for one that was not taken."""
        return self._producers[partition.number]

    async def give_up(self) -> None:
        """Disconnect."""
        producers, self._producers = self._producers, {}
        await asyncio.gather(*(producer.stop() for producer in producers.values()))

    def _producer_of(self, number: int) -> FencedProducer:
        transactional_id = f"{STREAM_GROUP}-{self._log_id}-{number}"
        return FencedProducer(self._settings, client_id=self._client_id, transactional_id=transactional_id)


class NoFence:
    """For a broker without transactions: everybody may write everything."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher: Final = publisher

    async def take(self, numbers: Iterable[int]) -> None:
        """Do nothing."""

    async def confirm(self, changelog: Topic) -> Collection[int]:  # noqa: ARG002
        """Return none: nobody can tell."""
        return ()

    def writer_of(self, partition: Partition) -> Publisher:  # noqa: ARG002
        """Return the publisher that writes everything."""
        return self._publisher

    async def give_up(self) -> None:
        """Do nothing."""


def count_fenced(number: int, error: Fenced) -> None:
    """Note that a partition was found to be another's."""
    metrics.STREAM_FENCED.inc()
    _log.warning("partition given up: another worker has taken it", partition=number, reason=str(error))


async def _a_few_at_once(steps: Iterable[Callable[[], Awaitable[None]]]) -> None:
    turns = asyncio.Semaphore(AT_ONCE_MAX)

    async def take_turn(step: Callable[[], Awaitable[None]]) -> None:
        async with turns:
            await step()

    await asyncio.gather(*(take_turn(step) for step in steps))
