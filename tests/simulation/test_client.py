"""The stage's own commit meets a client that goes on asking while the broker is away."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from pipeline.stream import faust_internals
from pipeline.topics import TRACES
from tests.simulation.broker import Broker
from tests.simulation.client import SimulatedClient, SimulatedConsumer
from tests.simulation.group import Group
from tests.simulation.loop import Loop, Process
from tests.simulation.network import Connection, Network

SESSION_SECONDS = 1.0
PLACE = TP(TRACES.name, 0)
OLD, LATER = (5, "old"), (9, "later")


class Member:
    """A member of a group of one, with a commit that it asks for while the broker is away."""

    def __init__(self) -> None:
        self.loop = Loop(step_seconds=0.0)
        self.broker = Broker(self.loop.time, partitions=1)
        chance = Random(1)
        self.group = Group(self.loop, self.broker, chance, session_seconds=SESSION_SECONDS)
        network = Network(self.loop, chance, lambda *_: None, delay_seconds=0.001, broker_is_there=self.broker.is_there)
        self.client = SimulatedClient(self.broker, self.group, Connection(network, Process("member")))
        self.consumer = SimulatedConsumer(
            SimpleNamespace(), self.client, self.broker, call=self._call, records_max=1, handing_seconds=0.001
        )

    async def commit_while_away(self, meanwhile: Callable[[], Awaitable[None]]) -> bool:
        """Join, ask for the commit of an old offset while the broker is away, and let something happen meanwhile."""
        given = await self.group.join("member")
        self.consumer.assign([PLACE], given.generation)
        self.broker.is_there.clear()
        committing = self.loop.create_task(faust_internals.commit(self.consumer, {PLACE: OLD}))
        await asyncio.sleep(0.5)
        assert not committing.done()
        await meanwhile()
        self.broker.is_there.set()
        return await committing

    def _call(self, function: Callable[..., Any]) -> "asyncio.Task[Any]":
        return self.loop.create_task(function())


@pytest.mark.parametrize("is_new_member", [False, True])
def test_an_old_offset_does_not_arrive_when_the_broker_is_back(*, is_new_member: bool) -> None:
    """Neither where nobody is a member any more, nor where this is a member again, each after another's commit."""
    member = Member()

    async def another_owns_it() -> None:
        member.group.leave("member")
        member.client.reset_generation()
        other = await member.group.join("other")
        member.group.commit("other", other.generation, {PLACE.partition: LATER})
        member.group.leave("other")
        if is_new_member:
            member.client.generation = (await member.group.join("member")).generation

    async def main() -> None:
        assert not await member.commit_while_away(another_owns_it)

    member.loop.run(main())
    assert member.broker.committed == {PLACE.partition: LATER}


def test_an_offset_arrives_when_the_broker_is_back_in_time() -> None:
    member = Member()

    async def nothing() -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        assert await member.commit_while_away(nothing)

    member.loop.run(main())
    assert member.broker.committed == {PLACE.partition: OLD}


def test_the_request_alone_would_replace_a_later_offset_in_a_group_without_members() -> None:
    """Otherwise the first test could not fail."""
    member = Member()

    async def main() -> None:
        member.broker.committed[PLACE.partition] = LATER
        place = faust_internals.TopicPartition(*PLACE)
        await member.client._do_commit_offsets(None, {place: faust_internals.OffsetAndMetadata(*OLD)})

    member.loop.run(main())
    assert member.broker.committed == {PLACE.partition: OLD}
