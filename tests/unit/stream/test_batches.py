import asyncio

from pipeline.stream.batches import BATCHES_AHEAD_MAX, Batch, BatchQueue
from pipeline.stream.partition import Partition
from tests.unit.stream.logs import LOG_ID, LogRecord


def batch(*values: bytes | None) -> Batch:
    records = [LogRecord(offset, 0, b"", value, ()) for offset, value in enumerate(values)]
    return Batch(Partition(0, LOG_ID), records)


async def is_waiting(task: asyncio.Task[None]) -> bool:
    """Tell whether a task stands still although all others have had their turns."""
    for _ in range(20):
        await asyncio.sleep(0)
    return not task.done()


async def test_batches_come_out_in_the_order_in_which_they_went_in() -> None:
    queue = BatchQueue(bytes_max=100)
    first, second = batch(b"1"), batch(b"2")
    await queue.put(first)
    await queue.put(second)
    async with queue.next() as out:
        assert out is first
    async with queue.next() as out:
        assert out is second


async def test_what_is_being_applied_leaves_no_room_for_what_would_be_too_much_with_it() -> None:
    queue = BatchQueue(bytes_max=10)
    await queue.put(batch(b"12345", None))
    async with queue.next():
        await queue.put(batch(b"12345"))
        third = asyncio.create_task(queue.put(batch(b"1")))
        assert await is_waiting(third)
    await third


async def test_a_batch_larger_than_the_bound_goes_through_alone() -> None:
    queue = BatchQueue(bytes_max=10)
    await queue.put(batch(b"1"))
    large = asyncio.create_task(queue.put(batch(b"x" * 11)))
    assert await is_waiting(large)
    async with queue.next():
        pass
    await large


async def test_so_many_batches_wait_however_small_they_are() -> None:
    queue = BatchQueue(bytes_max=10)
    for _ in range(BATCHES_AHEAD_MAX):
        await queue.put(batch(None))
    one_more = asyncio.create_task(queue.put(batch(None)))
    assert await is_waiting(one_more)
    async with queue.next():
        await one_more
