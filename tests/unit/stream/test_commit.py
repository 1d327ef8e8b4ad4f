import asyncio
from collections.abc import Mapping

import pytest

from pipeline.adapters.clock import ManualClock
from pipeline.errors import BrokerUnavailable, Fenced
from pipeline.stream.commit import Checkpoints
from pipeline.stream.lifecycle import apply
from pipeline.stream.owned import Owned
from pipeline.stream.table import CHANGELOG
from tests.unit.stream.logs import START_MS, Log, key, thread
from tests.unit.stream.recording import Recording, owned_after


def log_of_two() -> Log:
    return Log().trace(key("a")).command("close", thread("a"))


LOG = log_of_two()


def checkpoints_of(owned: Owned, broker: Recording) -> Checkpoints:
    return Checkpoints(
        owned,
        publisher=broker,
        changelog_of=lambda _: broker,
        commit_offsets=broker.commit,
        keeps_metadata=False,
        reply_partitions=16,
        clock=ManualClock(),
    )


async def test_outputs_then_state_then_offsets() -> None:
    owned, _ = owned_after(LOG)
    broker = Recording()
    assert await checkpoints_of(owned, broker).commit_all()
    assert broker.acked == [("threads", 2), ("thread-replies", 1), (CHANGELOG.name, 2), ("offsets", 2)]


async def test_the_offset_carries_its_log_time() -> None:
    owned, _ = owned_after(LOG)
    broker = Recording()
    committed: list[Mapping[int, tuple[int, str]]] = []

    async def commit(offsets: Mapping[int, tuple[int, str]]) -> bool:
        committed.append(offsets)
        return True

    checkpoints = Checkpoints(
        owned,
        publisher=broker,
        changelog_of=lambda _: broker,
        commit_offsets=commit,
        keeps_metadata=False,
        reply_partitions=16,
        clock=ManualClock(),
    )
    await checkpoints.commit_all()
    assert committed == [{3: (2, str(START_MS * 1000))}]


async def test_nothing_is_committed_twice() -> None:
    owned, _ = owned_after(LOG)
    broker = Recording()
    checkpoints = checkpoints_of(owned, broker)
    assert await checkpoints.commit_all()
    assert not await checkpoints.commit_all()
    assert broker.acked[-1] == ("offsets", 2)


@pytest.mark.parametrize(("fails_on", "durable"), [("threads", []), (CHANGELOG.name, ["threads", "thread-replies"])])
async def test_what_could_not_be_made_durable_loses_its_partition(fails_on: str, durable: list[str]) -> None:
    owned, partition = owned_after(LOG)
    broker = Recording()
    broker.fails_on = fails_on
    checkpoints = checkpoints_of(owned, broker)
    with pytest.raises(BrokerUnavailable):
        await checkpoints.commit_all()
    assert partition.is_lost
    broker.fails_on = None
    assert not await checkpoints.commit_all()
    assert {name for name, _ in broker.acked} - {"thread-replies"} == set(durable) - {"thread-replies"}


async def test_a_cancelled_commit_loses_its_partition() -> None:
    owned, partition = owned_after(LOG)
    broker = Recording()
    broker.holds = asyncio.Event()
    committing = asyncio.create_task(checkpoints_of(owned, broker).commit_all())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    committing.cancel()
    await asyncio.gather(committing, return_exceptions=True)
    assert partition.is_lost


async def test_a_flush_publishes_outputs_and_leaves_the_state_to_the_commit() -> None:
    owned, partition = owned_after(LOG)
    broker = Recording()
    checkpoints = checkpoints_of(owned, broker)
    await checkpoints.flush(partition)
    assert broker.acked == [("threads", 2), ("thread-replies", 1)]
    await checkpoints.commit_all()
    assert broker.acked[2:] == [(CHANGELOG.name, 2), ("offsets", 2)]


async def test_a_commit_waits_for_outputs_that_a_flush_has_on_its_way() -> None:
    owned, partition = owned_after(LOG)
    broker = Recording()
    broker.holds = asyncio.Event()
    checkpoints = checkpoints_of(owned, broker)
    flushing = asyncio.create_task(checkpoints.flush(partition))
    await asyncio.sleep(0)
    committing = asyncio.create_task(checkpoints.commit_all())
    for _ in range(10):
        await asyncio.sleep(0)
    assert broker.acked == []
    broker.holds.set()
    await asyncio.gather(flushing, committing)
    assert [name for name, _ in broker.acked] == ["threads", "thread-replies", CHANGELOG.name, "offsets"]


async def test_when_all_is_dropped_nothing_is_on_its_way() -> None:
    owned, partition = owned_after(LOG)
    broker = Recording()
    broker.holds = asyncio.Event()
    checkpoints = checkpoints_of(owned, broker)
    flushing = asyncio.create_task(checkpoints.flush(partition))
    await asyncio.sleep(0)
    dropping = asyncio.create_task(checkpoints.drop_all())
    await asyncio.sleep(0)
    assert not dropping.done()
    broker.holds.set()
    await asyncio.gather(flushing, dropping)
    acked = list(broker.acked)
    await checkpoints.flush(partition)
    assert not await checkpoints.commit_all()
    assert broker.acked == acked


async def test_an_answer_does_not_wait_for_the_interval() -> None:
    owned, _ = owned_after(LOG)
    broker = Recording()
    checkpoints = checkpoints_of(owned, broker)
    flushes = asyncio.create_task(checkpoints.run_flushes(3600.0))
    checkpoints.flush_soon()
    for _ in range(20):
        await asyncio.sleep(0)
    flushes.cancel()
    assert ("thread-replies", 1) in broker.acked


async def test_a_thread_is_written_once_however_often_it_changed() -> None:
    log = Log()
    for _ in range(50):
        log.trace(key("a"))
    owned, partition = owned_after(log)
    broker = Recording()
    await checkpoints_of(owned, broker).commit_all()
    written = [record for record in broker.records[CHANGELOG.name] if record.key == key("a")]
    assert [(record.value, record.partition) for record in written] == [(partition.threads[key("a")], 3)]


async def test_where_the_broker_keeps_metadata_a_tick_alone_writes_no_state() -> None:
    owned, _ = owned_after(Log().tick())
    broker = Recording()
    checkpoints = Checkpoints(
        owned,
        publisher=broker,
        changelog_of=lambda _: broker,
        commit_offsets=broker.commit,
        keeps_metadata=True,
        reply_partitions=16,
        clock=ManualClock(),
    )
    assert await checkpoints.commit_all()
    assert broker.acked == [("offsets", 1)]


async def test_a_partition_that_another_took_is_given_up_and_the_worker_goes_on() -> None:
    owned, partition = owned_after(LOG)
    broker = Recording()
    broker.fails_on = CHANGELOG.name
    broker.fails_with = Fenced
    checkpoints = checkpoints_of(owned, broker)
    assert not await checkpoints.commit_all()
    assert partition.is_lost
    assert owned.stuck == {(partition, 0)}
    assert [name for name, _ in broker.acked] == ["threads", "thread-replies"]


async def test_answers_go_out_while_state_is_written() -> None:
    owned, partition = owned_after(LOG)
    broker, changelog = Recording(), Recording()
    changelog.holds = asyncio.Event()
    checkpoints = Checkpoints(
        owned,
        publisher=broker,
        changelog_of=lambda _: changelog,
        commit_offsets=broker.commit,
        keeps_metadata=False,
        reply_partitions=16,
        clock=ManualClock(),
    )
    committing = asyncio.create_task(checkpoints.commit_all())
    for _ in range(10):
        await asyncio.sleep(0)
    list(apply(partition, log_of_two().command("open", thread("a")).records))
    await checkpoints.flush(partition)
    assert broker.acked == [("threads", 2), ("thread-replies", 1), ("threads", 1), ("thread-replies", 1)]
    changelog.holds.set()
    assert await committing
    assert broker.acked[-1] == ("offsets", 2)


async def test_a_commit_that_was_cancelled_on_its_way_is_the_last_of_its_partition() -> None:
    """It may arrive at any time later; an offset that was committed after it would be taken back."""
    owned, partition = owned_after(LOG)
    broker = Recording()
    never = asyncio.Event()
    is_on_its_way = asyncio.Event()

    async def commit(_: Mapping[int, tuple[int, str]]) -> bool:
        is_on_its_way.set()
        return await never.wait()

    checkpoints = Checkpoints(
        owned,
        publisher=broker,
        changelog_of=lambda _: broker,
        commit_offsets=commit,
        keeps_metadata=False,
        reply_partitions=16,
        clock=ManualClock(),
    )
    committing = asyncio.create_task(checkpoints.commit_all())
    await is_on_its_way.wait()
    committing.cancel()
    await asyncio.gather(committing, return_exceptions=True)
    assert partition.is_lost


async def test_a_commit_waits_for_the_one_before_so_that_offsets_never_go_back() -> None:
    owned, partition = owned_after(LOG)
    broker = Recording()
    goes_on = asyncio.Event()
    offsets: list[int] = []

    async def commit(places: Mapping[int, tuple[int, str]]) -> bool:
        await goes_on.wait()
        offsets.extend(offset for offset, _ in places.values())
        return True

    checkpoints = Checkpoints(
        owned,
        publisher=broker,
        changelog_of=lambda _: broker,
        commit_offsets=commit,
        keeps_metadata=False,
        reply_partitions=16,
        clock=ManualClock(),
    )
    first = asyncio.create_task(checkpoints.commit_all())
    for _ in range(20):
        await asyncio.sleep(0)
    list(apply(partition, log_of_two().trace(key("b")).records))
    second = asyncio.create_task(checkpoints.commit_all())
    for _ in range(20):
        await asyncio.sleep(0)
    goes_on.set()
    assert await asyncio.gather(first, second) == [True, True]
    assert offsets == [2, 3]
