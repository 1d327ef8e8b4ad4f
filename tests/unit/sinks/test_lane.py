import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from pipeline.errors import FatalError
from pipeline.sinks.batch import Batch, Limits
from pipeline.sinks.lane import Lane
from tests.support.log_records import LogRecord, run_of


def batch(offset: int = 0, *, rows_max: int = 1) -> Batch:
    filled = Batch("traces", UUID(int=1), Limits(rows_max, 1000, 1.0, 1.0), 0.0)
    filled.add(run_of(0, LogRecord(offset, b"{   }")), 0.0)
    return filled


class Storage:
    """Stores a batch, and folds some, when told to."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.folds = asyncio.Event()
        self.stored: list[Batch] = []
        self.folded: list[list[Batch]] = []
        self.ends = 0

    async def write(self, written: Batch) -> None:
        await self.open.wait()
        self.stored.append(written)

    async def fold(self, written: Sequence[Batch]) -> None:
        await self.folds.wait()
        self.folded.append(list(written))

    def end(self) -> None:
        self.ends += 1


async def ended(lane: Lane) -> bool:
    """Wait for one step to end, and go on as the loop does."""
    await asyncio.wait(lane.tasks, return_when=asyncio.FIRST_COMPLETED)
    return lane.finish()


async def test_one_batch_fills_while_the_one_before_it_is_written() -> None:
    storage = Storage()
    lane = Lane("t", storage.write, storage.fold, storage.end, fold_rows_max=2)
    first, second = batch(0), batch(1)

    lane.filling = first
    lane.write()
    lane.filling = second

    assert (lane.can_write, lane.is_blocked, lane.finish()) == (False, True, False)
    assert lane.outstanding() == [first, second]
    assert lane.bytes == 10
    storage.open.set()
    storage.folds.set()
    assert not await ended(lane)
    assert (lane.can_write, lane.is_blocked, lane.outstanding()) == (True, False, [first, second])
    assert await ended(lane)
    assert lane.outstanding() == [second]
    assert (storage.stored, storage.folded, storage.ends) == ([first], [[first]], 2)


async def test_what_is_stored_during_a_fold_is_folded_together_up_to_a_number_of_records() -> None:
    storage = Storage()
    lane = Lane("t", storage.write, storage.fold, storage.end, fold_rows_max=2)
    batches = [batch(offset) for offset in range(5)]
    storage.open.set()
    for one in batches[:4]:
        lane.filling = one
        lane.write()
        assert not await ended(lane)
    lane.filling = batches[4]

    assert storage.stored == batches[:4]
    assert (lane.can_write, lane.outstanding()) == (False, batches), "there is no room for the fourth among the stored"
    assert [task.done() for task in lane.tasks] == [False], "to wait for what has ended would be to wait for nothing"
    assert lane.bytes == 5 * 2, "what waits to be folded holds no records"
    storage.folds.set()
    assert await ended(lane)
    assert (lane.can_write, lane.outstanding()) == (True, batches[1:])
    assert await ended(lane)
    assert await ended(lane)
    assert (storage.folded, lane.outstanding()) == ([batches[:1], batches[1:3], batches[3:4]], batches[4:])


async def test_a_batch_larger_than_a_fold_may_be_is_folded_alone() -> None:
    storage = Storage()
    lane = Lane("t", storage.write, storage.fold, storage.end, fold_rows_max=0)
    storage.open.set()
    for offset in range(3):
        lane.filling = batch(offset)
        lane.write()
        assert not await ended(lane)

    storage.folds.set()
    assert [await ended(lane) for _ in range(3)] == [True, True, True]
    assert [len(folded) for folded in storage.folded] == [1, 1, 1]


async def test_what_is_folded_waits_for_its_threads_and_what_comes_next_waits_for_room() -> None:
    storage = Storage()
    lane = Lane("t", storage.write, storage.fold, storage.end, fold_rows_max=2, has_threads=True)
    storage.open.set()
    storage.folds.set()
    batches = [batch(offset) for offset in range(4)]
    for one in batches[:3]:
        lane.filling = one
        lane.write()
        while lane.tasks:
            await ended(lane)
        assert lane.outstanding() == batches[: one.firsts[0] + 1]

    assert (lane.folded, lane.stored) == (batches[:2], batches[2:3])
    lane.filling = batches[3]
    assert lane.take_folded() == batches[:2]
    assert lane.outstanding() == batches[2:]
    lane.finish()
    assert await ended(lane)
    assert (lane.folded, lane.outstanding()) == (batches[2:3], batches[2:])


async def test_a_fold_that_failed_leaves_its_batch_outstanding_and_nothing_more_is_folded() -> None:
    storage = Storage()

    async def fail(_: Sequence[Batch]) -> None:
        raise FatalError("no")

    lane = Lane("t", storage.write, fail, storage.end, fold_rows_max=2)
    storage.open.set()
    lane.filling = first = batch(0)
    lane.write()
    await ended(lane)
    lane.filling = second = batch(1)
    lane.write()
    await asyncio.wait(lane.tasks)

    with pytest.raises(FatalError):
        lane.finish()
    assert not lane.finish()
    assert (lane.outstanding(), lane.tasks) == ([first, second], [])


async def test_a_lane_is_open_while_its_next_batch_is_not_full() -> None:
    storage = Storage()
    lane = Lane("t", storage.write, storage.fold, storage.end, fold_rows_max=2)
    lane.filling = batch()
    lane.write()
    lane.filling = batch(rows_max=2)

    assert not lane.is_blocked
    await lane.abandon()


async def test_after_a_write_that_failed_nothing_more_is_written_or_settled() -> None:
    async def fail(_: object) -> None:
        raise FatalError("no")

    lane = Lane("t", fail, fail, lambda: None, fold_rows_max=2)
    lane.filling = failed = batch()
    lane.write()
    await asyncio.wait(lane.tasks)

    with pytest.raises(FatalError):
        lane.finish()
    lane.filling = batch(1)
    assert not lane.can_write
    assert failed in lane.outstanding()


async def test_what_is_abandoned_is_not_outstanding_any_more() -> None:
    storage = Storage()
    lane = Lane("t", storage.write, storage.fold, storage.end, fold_rows_max=2)
    lane.filling = batch()
    lane.write()
    lane.filling = batch(1)

    await lane.abandon()

    assert lane.outstanding() == []
    assert storage.stored == []
