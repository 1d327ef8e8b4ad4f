import asyncio

from pipeline.adapters.clock import ManualClock
from pipeline.stream.agent import apply_batches
from pipeline.stream.bulk import Batch
from pipeline.stream.commit import Checkpoints
from tests.unit.stream.logs import Log, key, thread
from tests.unit.stream.recording import Recording, owned_after


async def applied(*batches: Batch) -> Recording:
    owned, _ = owned_after(Log())
    broker = Recording()
    checkpoints = Checkpoints(
        owned,
        publisher=broker,
        changelog_of=lambda _: broker,
        commit_offsets=broker.commit,
        keeps_metadata=False,
        reply_partitions=16,
        clock=ManualClock(),
    )
    queue: asyncio.Queue[Batch] = asyncio.Queue()
    for batch in batches:
        queue.put_nowait(batch)
    agent = asyncio.create_task(apply_batches(queue, checkpoints))
    for _ in range(20):
        await asyncio.sleep(0)
    agent.cancel()
    return broker


async def test_a_batch_is_applied_to_its_partition() -> None:
    _, partition = owned_after(Log())
    await applied(Batch(partition, Log().trace(key("a")).command("close", thread("a")).trace(key("b")).records))
    assert (partition.next_offset, partition.open_threads) == (3, 1)


async def test_a_batch_of_a_lost_partition_is_dropped() -> None:
    _, partition = owned_after(Log())
    partition.is_lost = True
    await applied(Batch(partition, Log().trace(key("a")).records))
    assert partition.next_offset == 0


async def test_a_partition_lost_in_the_middle_of_a_batch_is_left_there() -> None:
    _, partition = owned_after(Log())
    log = Log().command("close", thread("a")).trace(key("b"))
    queue: asyncio.Queue[Batch] = asyncio.Queue()
    queue.put_nowait(Batch(partition, log.records))
    owned, _ = owned_after(Log())
    broker = Recording()
    checkpoints = Checkpoints(
        owned,
        publisher=broker,
        changelog_of=lambda _: broker,
        commit_offsets=broker.commit,
        keeps_metadata=False,
        reply_partitions=16,
        clock=ManualClock(),
    )
    agent = asyncio.create_task(apply_batches(queue, checkpoints))
    while partition.next_offset == 0:
        await asyncio.sleep(0)
        partition.is_lost = partition.next_offset == 1
    for _ in range(5):
        await asyncio.sleep(0)
    agent.cancel()
    assert partition.next_offset == 1
