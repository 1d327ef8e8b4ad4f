"""Making work durable, in the one order in which a crash at any point loses nothing and changes nothing.

For each partition, from one snapshot taken in one step:

1. outputs are published,
2. and acknowledged;
3. then the state of every thread that changed is written to the changelog,
4. and acknowledged;
5. then the offset is committed, with the log time at that offset as its metadata.

A crash after 2 repeats outputs, with the same ids and content. A crash within 3 leaves some states ahead of the
offset: the replay passes over what they already contain. The log time comes from the commit and never from the state,
which may be ahead; for a broker that forgets metadata (the embedded one), the changelog keeps it for each offset that
was tried. Between commits outputs alone are published, so that nobody waits for the next one.

A partition of which a step fails, or is cancelled, is lost at once: what its snapshot held is no longer in memory, so
nothing later may be made durable in its place. Its next owner reads it again from the committed offset. One that is
found to be fenced has that owner already (`fence`).
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry import metrics
from pipeline.errors import Fenced
from pipeline.events.envelope import Record
from pipeline.stream.fence import count_fenced
from pipeline.stream.outputs import Outbox, Publisher
from pipeline.stream.owned import Owned
from pipeline.stream.partition import REACHED_KEY, Checkpoint, Output, Partition, SessionChange
from pipeline.stream.portions import Portions
from pipeline.stream.table import CHANGELOG

ENCODE_SLICE_MAX: Final = 200
STATE_SLICE_MAX: Final = 1000
SWEEP_SLICE_MAX: Final = 1000
"""So many outputs, states or markers, of all partitions, are worked on before others have a turn."""

CommitOffsets = Callable[[Mapping[int, tuple[int, str]]], Awaitable[bool]]
"""Commits offset and metadata by partition of the input; False where the group has moved on."""


class Checkpoints:
    """Flushes and commits the partitions that are owned.

    `keeps_metadata` tells whether the broker gives back the metadata of commits; then the changelog need not.
    """

    def __init__(
        self,
        owned: Owned,
        *,
        publisher: Publisher,
        changelog_of: Callable[[Partition], Publisher],
        commit_offsets: CommitOffsets,
        keeps_metadata: bool,
        reply_partitions: int,
        clock: Clock,
    ) -> None:
        self._owned: Final = owned
        self._publisher: Final = publisher
        self._changelog_of: Final = changelog_of
        self._commit_offsets: Final = commit_offsets
        self._keeps_metadata: Final = keeps_metadata
        self._reply_partitions: Final = reply_partitions
        self._clock: Final = clock
        self._flushing: Final[defaultdict[int, asyncio.Lock]] = defaultdict(asyncio.Lock)
        self._persisting: Final[defaultdict[int, asyncio.Lock]] = defaultdict(asyncio.Lock)
        self._committing: Final = asyncio.Lock()
        self._wanted: Final = asyncio.Event()
        self._encoding: Final = Portions(ENCODE_SLICE_MAX)
        self._writing: Final = Portions(STATE_SLICE_MAX)

    def flush_soon(self) -> None:
        """Ask for a flush now rather than at the end of the interval: somebody waits for an answer."""
        self._wanted.set()

    async def run_flushes(self, interval_seconds: float) -> None:
        """Publish outputs again and again, each interval or when asked to."""
        while True:
            try:
                async with asyncio.timeout(interval_seconds):
                    await self._wanted.wait()
            except TimeoutError:
                pass  # the interval is over
            self._wanted.clear()
            await asyncio.gather(*(self.flush(partition) for partition in self._owned if partition.outputs_waiting))

    async def flush(self, partition: Partition) -> None:
        """Publish the outputs of a partition (steps 1 and 2); raises BrokerUnavailable."""
        async with _Turn(self._flushing[partition.number], partition) as is_owned:
            if is_owned:
                await self._publish_outputs(partition, partition.take_outputs())

    async def commit_all(self) -> bool:
        """Take all five steps for every partition; tell whether offsets were committed.

        One commit at a time: an offset that arrived after a later one would let a replay begin before records whose
        markers are swept already. Raises BrokerUnavailable where outputs or state could not be made durable.
        """
        async with self._committing:
            persisted = await asyncio.gather(*(self._persist(partition) for partition in self._owned))
            ready = [
                (partition, checkpoint)
                for partition, checkpoint in persisted
                if checkpoint is not None and checkpoint.next_offset > partition.committed_offset
            ]
            if not await self._commit(ready):
                return False
            for partition, checkpoint in ready:
                await _sweep(partition, committed_offset=checkpoint.next_offset, log_time_us=checkpoint.log_time_us)
            return True

    async def _commit(self, ready: Sequence[tuple[Partition, Checkpoint]]) -> bool:
        """Take step 5; a partition whose offset may arrive at any time later, since nobody waited for it, is lost."""
        alive = [(partition, checkpoint) for partition, checkpoint in ready if not partition.is_lost]
        if not alive:
            return False
        try:
            return await self._commit_offsets(
                {
                    partition.number: (checkpoint.next_offset, str(checkpoint.log_time_us))
                    for partition, checkpoint in alive
                }
            )
        except BaseException:
            for partition, _ in alive:
                partition.is_lost = True
            raise

    async def drop_all(self) -> None:
        """Give up all partitions, and return when nothing of them is on its way any more."""
        self._owned.drop()
        for lock in [*self._persisting.values(), *self._flushing.values()]:
            async with lock:
                pass

    async def _persist(self, partition: Partition) -> tuple[Partition, Checkpoint | None]:
        """Take steps 1 to 4; a partition that another worker has taken is lost, and the others go on.

        While state is written, later outputs may be flushed: nobody waits for an answer until a transaction has ended.
        """
        checkpoint = None
        number = partition.number
        try:
            async with _Turn(self._persisting[number], partition):
                async with _Turn(self._flushing[number], partition) as is_owned:
                    checkpoint = partition.checkpoint() if is_owned else None
                    if checkpoint is not None:
                        await self._publish_outputs(partition, checkpoint.outputs)
                if checkpoint is not None and not partition.is_lost:
                    await self._write_state(partition, checkpoint.states)
        except Fenced as error:
            count_fenced(partition.number, error)
        return partition, checkpoint

    async def _publish_outputs(self, partition: Partition, outputs: Sequence[Output]) -> None:
        if not outputs:
            return
        started_at = self._clock.monotonic()
        outbox = Outbox(partition, reply_partitions=self._reply_partitions)
        for begin in range(0, len(outputs), ENCODE_SLICE_MAX):
            share = outputs[begin : begin + ENCODE_SLICE_MAX]
            await self._encoding.turn(len(share))
            outbox.add(share)
        # Each topic at once, so that its records keep their order and the broker is waited for a single time.
        await asyncio.gather(*(self._publisher.publish(topic, records) for topic, records in outbox.records.items()))
        await self._observe_delays(outputs)
        metrics.STREAM_FLUSH_SECONDS.observe(self._clock.monotonic() - started_at)

    async def _write_state(self, partition: Partition, states: Sequence[tuple[bytes, bytes | None]]) -> None:
        number, records = partition.number, list[Record]()
        for begin in range(0, len(states), STATE_SLICE_MAX):
            share = states[begin : begin + STATE_SLICE_MAX]
            await self._writing.turn(len(share))
            records += [
                Record(key, value, (), number)
                for key, value in share
                if not (self._keeps_metadata and key == REACHED_KEY)
            ]
        if not partition.is_lost:  # there was time for it
            await self._changelog_of(partition).publish(CHANGELOG, records)

    async def _observe_delays(self, outputs: Sequence[Output]) -> None:
        now_us = self._clock.now_us()
        observe = metrics.STREAM_CLOSE_DELAY_SECONDS.observe
        for count, output in enumerate(outputs, start=1):
            if isinstance(output, SessionChange) and output.reason == "inactive":
                observe(max(0, now_us - output.at_us) / 1e6)
            if count % STATE_SLICE_MAX == 0:
                await asyncio.sleep(0)


async def _sweep(partition: Partition, *, committed_offset: int, log_time_us: int) -> None:
    """Forget what no replay can ask for any more, a slice at a time."""
    has_more = True
    while has_more:
        has_more = partition.sweep(committed_offset=committed_offset, log_time_us=log_time_us, limit=SWEEP_SLICE_MAX)
        await asyncio.sleep(0)


class _Turn:
    """One step at a time for a partition; it is lost if the step does not come to its end."""

    def __init__(self, lock: asyncio.Lock, partition: Partition) -> None:
        self._lock: Final = lock
        self._partition: Final = partition

    async def __aenter__(self) -> bool:
        """Wait for the turn; tell whether the partition is still owned."""
        await self._lock.acquire()
        return not self._partition.is_lost

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the turn."""
        if kind is not None:
            self._partition.is_lost = True
        self._lock.release()
