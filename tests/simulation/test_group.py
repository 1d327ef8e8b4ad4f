import asyncio
from random import Random

import pytest
from aiokafka.errors import IllegalGenerationError, UnknownMemberIdError

from tests.simulation.broker import Broker
from tests.simulation.client import NO_MEMBER
from tests.simulation.group import Group
from tests.simulation.loop import Loop

SESSION_SECONDS = 2.0
AWAY_SECONDS = 4.0


def in_a_group(partitions: int = 2) -> tuple[Loop, Broker, Group]:
    loop = Loop(step_seconds=0.0)
    broker = Broker(loop.time, partitions=partitions)
    return loop, broker, Group(loop, broker, Random(1), session_seconds=SESSION_SECONDS)


def test_each_partition_has_one_owner_and_a_member_that_is_silent_loses_its_own() -> None:
    loop, _, group = in_a_group()

    async def main() -> None:
        alone = await group.join("first")
        assert alone.numbers == [0, 1]
        joining = group.join("second")
        assert group.heartbeat("first", alone.generation) == "join"
        first, second = await asyncio.gather(group.join("first"), joining)
        assert sorted(first.numbers + second.numbers) == [0, 1]
        for _ in range(8):
            assert group.heartbeat("second", second.generation) == "well" or loop.time() > SESSION_SECONDS
            await asyncio.sleep(SESSION_SECONDS / 4)
        assert group.heartbeat("second", second.generation) == "join"
        assert (await group.join("second")).numbers == [0, 1]

    loop.run(main())


def test_only_a_member_of_this_generation_may_commit() -> None:
    loop, broker, group = in_a_group()

    async def main() -> None:
        first = await group.join("first")
        group.commit("first", first.generation, {0: (5, "")})
        with pytest.raises(UnknownMemberIdError):
            group.commit("stranger", first.generation, {0: (6, "")})
        await asyncio.gather(group.join("second"), group.join("first"))
        with pytest.raises(IllegalGenerationError):
            group.commit("first", first.generation, {0: (7, "")})

    loop.run(main())
    assert broker.committed == {0: (5, "")}


def test_who_claims_to_be_no_member_may_commit_where_there_is_none() -> None:
    loop, broker, group = in_a_group()

    async def main() -> None:
        group.commit("nobody", NO_MEMBER, {0: (5, "")})
        await group.join("first")
        with pytest.raises(UnknownMemberIdError):
            group.commit("nobody", NO_MEMBER, {0: (6, "")})
        group.leave("first")
        with pytest.raises(UnknownMemberIdError):
            group.commit("first", 1, {0: (7, "")})

    loop.run(main())
    assert broker.committed == {0: (5, "")}


def test_nobody_is_forgotten_while_the_broker_is_away() -> None:
    loop, broker, group = in_a_group()

    async def main() -> None:
        alone = await group.join("first")
        broker.is_there.clear()
        await asyncio.sleep(AWAY_SECONDS)
        broker.is_there.set()
        assert group.heartbeat("first", alone.generation) == "well"

    loop.run(main())
