import asyncio

import pytest

from pipeline.adapters.clock import ManualClock
from pipeline.stream import agent, lifecycle
from pipeline.stream.agent import apply_batches
from pipeline.stream.batches import Batch, BatchQueue
from pipeline.stream.commit import Checkpoints
from pipeline.stream.partition import Partition
from tests.unit.stream.logs import LOG_ID, Log, key, thread
from tests.unit.stream.recording import Recording, owned_after
from tests.unit.stream.test_tallies import metric


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
    queue = BatchQueue(bytes_max=1000)
    for batch in batches:
        await queue.put(batch)
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
    queue = BatchQueue(bytes_max=1000)
    await queue.put(Batch(partition, log.records))
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


async def test_a_gap_between_batches_and_a_record_that_comes_again_are_counted() -> None:
    _, partition = owned_after(Log())
    records = Log().trace(key("a")).trace(key("b")).trace(key("c")).trace(key("d")).trace(key("e")).records
    names = ("offset_gap_records_total", "records_repeated_total")
    before = [metric(name) for name in names]
    await applied(Batch(partition, records[:2]), Batch(partition, records[1:3]), Batch(partition, records[4:]))
    assert [metric(name) - earlier for name, earlier in zip(names, before, strict=True)] == [1, 1]
    assert (partition.next_offset, partition.open_threads) == (5, 4)


async def test_a_partition_that_waits_for_its_outputs_does_not_hold_up_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "OUTPUTS_WAITING_MAX", 0)
    monkeypatch.setattr(lifecycle, "SLICE_RECORDS_MAX", 1)
    waiting, going_on = Partition(3, LOG_ID), Partition(4, LOG_ID)
    flushed = asyncio.Event()

    class Holding:
        async def flush(self, partition: Partition) -> None:
            if partition is waiting:
                await flushed.wait()
            partition.take_outputs()

        def flush_soon(self) -> None:
            raise AssertionError("nobody waits for an answer")

    records = Log().trace(key("a")).trace(key("b")).trace(key("c")).records
    queue = BatchQueue(bytes_max=1000)
    for batch in (Batch(waiting, records[:2]), Batch(going_on, records), Batch(waiting, records[2:])):
        await queue.put(batch)
    applying = asyncio.create_task(apply_batches(queue, Holding()))  # type: ignore[arg-type]
    for _ in range(50):
        await asyncio.sleep(0)
    assert (waiting.next_offset, going_on.next_offset) == (1, 3)
    flushed.set()
    for _ in range(50):
        await asyncio.sleep(0)
    assert (waiting.next_offset, waiting.tally.repeated) == (3, 0)  # its second batch came after its first
    applying.cancel()
