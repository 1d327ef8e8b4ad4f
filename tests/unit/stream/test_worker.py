import asyncio

import pytest
from aiokafka.errors import NodeNotReadyError, TopicAuthorizationFailedError

from pipeline.errors import BrokerUnavailable, Stalled
from pipeline.stream import worker
from pipeline.stream.batches import BatchQueue
from pipeline.stream.bulk import Intake
from pipeline.stream.owned import Owned
from tests.unit.stream.logs import LOG_ID


async def commit() -> bool:
    return False


async def test_a_consumer_loop_that_does_not_turn_is_stalled() -> None:
    intake = Intake(
        Owned(LOG_ID), changelog="changelog", fetch_bytes_max=1, commit=commit, batches=BatchQueue(bytes_max=1)
    )
    with pytest.raises(Stalled, match="has not moved"):
        await worker._watch(intake, 0.001)


async def test_a_consumer_loop_that_turns_is_left_alone() -> None:
    intake = Intake(
        Owned(LOG_ID), changelog="changelog", fetch_bytes_max=1, commit=commit, batches=BatchQueue(bytes_max=1)
    )
    watching = asyncio.create_task(worker._watch(intake, 0.0))
    for _ in range(100):
        intake.turns += 1
        await asyncio.sleep(0)
    assert not watching.done()
    watching.cancel()


async def test_a_partition_that_stays_ours_and_lost_is_stalled() -> None:
    owned = Owned(LOG_ID)
    owned.assign([3])
    owned.lose([3])
    with pytest.raises(Stalled, match=r"partitions \[3\]"):
        await worker._watch_stuck(owned, 0.001)


async def test_a_recovery_that_stands_still_is_stalled() -> None:
    owned = Owned(LOG_ID)
    owned.assign([3])
    owned.restored_to(3, 100)
    with pytest.raises(Stalled, match=r"partitions \[3\]"):
        await worker._watch_stuck(owned, 0.001)


async def test_a_recovery_that_moves_is_no_stall() -> None:
    owned = Owned(LOG_ID)
    owned.assign([3])
    watching = asyncio.create_task(worker._watch_stuck(owned, 0.0))
    for offset in range(100):
        owned.restored_to(3, offset)
        await asyncio.sleep(0)
    assert not watching.done()
    watching.cancel()


async def test_a_lost_partition_that_is_assigned_anew_is_no_stall() -> None:
    owned = Owned(LOG_ID)
    watching = asyncio.create_task(worker._watch_stuck(owned, 0.0))
    for _ in range(100):
        owned.assign([3])
        owned.lose([3])
        await asyncio.sleep(0)
    assert not watching.done()
    watching.cancel()


async def test_the_first_to_end_ends_the_others() -> None:
    ended: list[str] = []

    async def wait_for_ever(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def fail() -> None:
        raise Stalled("as the test wants it")

    with pytest.raises(Stalled):
        await worker._first_to_end(wait_for_ever("a"), fail(), wait_for_ever("b"))
    assert ended == ["a", "b"]


def test_a_broker_that_goes_away_while_faust_needs_it_is_named_as_such() -> None:
    with pytest.raises(BrokerUnavailable, match="NodeNotReadyError"), worker._broker_needed():
        raise NodeNotReadyError


def test_what_another_try_meets_again_is_raised_as_it_is() -> None:
    with pytest.raises(TopicAuthorizationFailedError), worker._broker_needed():
        raise TopicAuthorizationFailedError
