"""The coordinator of a consumer group, as in Kafka's classic protocol: everybody gives all up and joins anew."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from aiokafka.errors import IllegalGenerationError, UnknownMemberIdError

from tests.simulation.broker import Broker
from tests.simulation.loop import Loop, in_nobodys_name

LOOK_SECONDS: Final = 0.1


class Assignment(NamedTuple):
    """What a member owns, and since which generation."""

    generation: int
    numbers: list[int]


@dataclass(slots=True)
class Membership:
    """When a member was last heard of, and the answer it waits for."""

    seen_at: float
    joining: "asyncio.Future[Assignment] | None" = None


class Group:
    """Members, generation and who owns what."""

    def __init__(self, loop: Loop, broker: Broker, chance: random.Random, *, session_seconds: float) -> None:
        self._loop: Final = loop
        self._broker: Final = broker
        self._chance: Final = chance
        self._session_seconds: Final = session_seconds
        self._members: Final[dict[str, Membership]] = {}
        self._generation = 0
        self._rebalance_until: float | None = None
        self._look()

    def join(self, name: str) -> "asyncio.Future[Assignment]":
        """Return what will be answered when everybody has joined, or has been silent for too long."""
        member = self._members.setdefault(name, Membership(self._loop.time()))
        member.seen_at = self._loop.time()
        if member.joining is None or member.joining.done():
            member.joining = self._loop.create_future()
        if self._rebalance_until is None:
            self._rebalance_until = self._loop.time() + self._session_seconds
        answer = member.joining
        self._complete_if_all_are_here()
        return answer

    def leave(self, name: str) -> None:
        if self._members.pop(name, None) is not None:
            self._begin_rebalance()

    def heartbeat(self, name: str, generation: int) -> Literal["well", "join", "unknown"]:
        """Tell a member whether it still is one, and whether the others wait for it."""
        member = self._members.get(name)
        if member is None or generation != self._generation:
            return "unknown"
        member.seen_at = self._loop.time()
        return "well" if self._rebalance_until is None else "join"

    def commit(self, name: str, generation: int, offsets: Mapping[int, tuple[int, str]]) -> None:
        """Keep offsets; raises what aiokafka raises where the group has moved on.

        In a group without members Kafka lets anybody commit who does not claim to be one.
        """
        if generation >= 0 or self._members:
            if name not in self._members or generation < 0:
                raise UnknownMemberIdError
            if generation != self._generation:
                raise IllegalGenerationError
        self._broker.committed.update(offsets)

    def _look(self) -> None:
        """Forget who has not been heard of, again and again; nobody is, by a broker that was away itself."""
        now = self._loop.time()
        if not self._broker.is_there.is_set():
            for member in self._members.values():
                member.seen_at = now
        is_over = self._rebalance_until is not None and now >= self._rebalance_until
        gone = [
            name
            for name, member in self._members.items()
            if not _waits(member) and (is_over or now - member.seen_at > self._session_seconds)
        ]
        for name in gone:
            del self._members[name]
        if gone:
            self._begin_rebalance()
        self._loop.call_later(LOOK_SECONDS, self._look, context=in_nobodys_name())

    def _begin_rebalance(self) -> None:
        if self._rebalance_until is None:
            self._rebalance_until = self._loop.time() + self._session_seconds
        self._complete_if_all_are_here()

    def _complete_if_all_are_here(self) -> None:
        if not self._members or not all(map(_waits, self._members.values())):
            return
        self._generation += 1
        self._rebalance_until = None
        numbers = list(range(self._broker.partitions))
        self._chance.shuffle(numbers)
        for place, member in enumerate(self._members.values()):
            member.seen_at = self._loop.time()
            share = sorted(numbers[place :: len(self._members)])
            if member.joining is not None:
                member.joining.set_result(Assignment(self._generation, share))


def _waits(member: Membership) -> bool:
    return member.joining is not None and not member.joining.done()
