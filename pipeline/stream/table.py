"""The Faust table `threads`: its changelog, and the recovery of partitions from it.

Reading and writing do not go through the table: one `table[key] = value` costs 190 µs and a recovered record 90 µs.
Writes are packed by `commit`, once per thread and commit; the consumer hands recovered records straight to `owned`, and
Faust's recovery sees only how far it has come.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from faust.tables.table import Table
from faust.types import TP

from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry import logs, metrics
from pipeline.stream import faust_internals
from pipeline.stream.fence import Fence
from pipeline.stream.owned import Owned
from pipeline.topics import STREAM_GROUP, TRACES, Topic

NAME: Final = "threads"

CHANGELOG: Final = Topic(
    f"{STREAM_GROUP}-{NAME}-changelog",
    key="thread key, or that of a setting",
    holds="the state of open threads and the markers of closed ones; declared by Faust",
    cleanup_policy="compact",
)

# A changelog lives from being compacted: small segments, early and often.
CHANGELOG_CONFIG: Final = {
    "cleanup.policy": "compact",
    "segment.ms": str(10 * 60 * 1000),
    "segment.bytes": str(64 * 1024 * 1024),
    "min.cleanable.dirty.ratio": "0.1",
}

_log = logs.logger(__name__)


class ThreadsTable(Table):  # type: ignore[misc]
    """Keeps nothing itself; `owned` is what it recovers."""

    owned: Owned
    fence: Fence
    clock: Clock
    polling: asyncio.Lock
    on_begin: Callable[[], Awaitable[None]]
    _assigned_at: float = 0.0

    def persisted_offset(self, tp: TP) -> int:  # noqa: ARG002
        """Say that nothing is kept from one assignment to the next, so that recovery reads from the beginning."""
        return -1

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Do nothing: the consumer has handed these records on already."""

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Begin anew with the partitions of this assignment; nobody else writes their state from now on."""
        metrics.STREAM_REBALANCES.inc()
        self._assigned_at = self.clock.monotonic()
        numbers = [tp.partition for tp in assigned if tp.topic == TRACES.name]
        self.owned.drop()
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)
        await self.fence.take(numbers)
        # A recovery that this assignment has overtaken may still be polling, and has moved positions.
        async with self.polling:
            if await faust_internals.seek(self.app.consumer, {TP(CHANGELOG.name, number): 0 for number in numbers}):
                self.owned.assign(numbers)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Go live at the committed offsets. Faust ignores what is raised here, so a failure crashes the app.

        Faust also calls this for a recovery that a later assignment has overtaken. So what is asked is not whether
        Faust's recovery is over, but whether the changelogs of this assignment have been read to their ends.
        """
        assignment = self.owned.assignment
        try:
            await super().on_recovery_completed(active_tps, standby_tps)
            if await self._is_restored(active_tps) and self.owned.assignment is assignment:
                await self._go_live(assignment, [TP(TRACES.name, tp.partition) for tp in active_tps])
        except Exception as error:
            if self.owned.assignment is assignment:
                await self.app.crash(error)
                raise
            _log.warning("recovery given up: another assignment came", reason=repr(error))

    async def _is_restored(self, changelogs: set[TP]) -> bool:
        ends = await self.app.consumer.highwaters(*changelogs) if changelogs else {}
        return self.owned.is_restored({place.partition: end for place, end in ends.items()})

    async def _go_live(self, assignment: object, inputs: list[TP]) -> None:
        """Begin with the state that is restored, unless another assignment comes meanwhile."""
        committed = await faust_internals.fetch_committed(self.app.consumer, inputs)
        # After that: what a later owner committed would lead past records that the state read here does not contain.
        fenced = await self.fence.confirm(CHANGELOG)
        # Faust does not seek where nothing was committed, and what it polled before would be passed over.
        starts = {place: committed.get(place.partition, (0, ""))[0] for place in inputs}
        if not await faust_internals.seek(self.app.consumer, starts) or self.owned.assignment is not assignment:
            return  # no await from here to `begin`
        self.owned.lose(fenced)
        for _ in self.owned.begin(committed):
            await asyncio.sleep(0)
        metrics.STREAM_RECOVERY_SECONDS.set(self.clock.monotonic() - self._assigned_at)
        await self.on_begin()
