"""Which faults happen, when and for how long: drawn from a seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

FaultKind = Literal["kill", "kill between steps", "pause", "join", "leave", "broker", "all off", "silence", "none"]

KINDS: Final[tuple[FaultKind, ...]] = ("kill", "pause", "join", "leave", "broker", "all off", "silence")
"""What happens to workers that keep the rules; those that say when they are between two steps break one."""
WEIGHTS: Final = (6, 4, 3, 3, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class Times:
    """In seconds: how long threads may be silent, members of the group, and the broker, and workers need to finish.

    `rest` is the shortest and the longest quiet before a fault.
    """

    rest: tuple[float, float] = (0.5, 4.0)
    thread_timeout: int = 3
    session: int = 4
    broker_down_max: float = 8.0
    drain_max: float = 300.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens after `rest_seconds` of quiet, for `seconds`; `choice` (0 to 1) says to whom."""

    kind: FaultKind
    rest_seconds: float
    seconds: float
    choice: float


def drawn(seed: int, times: Times, kinds: tuple[FaultKind, ...] = KINDS) -> Iterator[Fault]:
    """Yield faults without end: first one of each kind in any order, then by their weights."""
    chance = random.Random(seed)
    first = list(kinds)
    chance.shuffle(first)
    weights = [dict(zip(KINDS, WEIGHTS, strict=True)).get(kind, 1) for kind in kinds]
    while True:
        kind = first.pop() if first else chance.choices(kinds, weights)[0]
        yield Fault(kind, chance.uniform(*times.rest), _seconds(kind, times, chance), chance.random())


def _seconds(kind: FaultKind, times: Times, chance: random.Random) -> float:
    match kind:
        case "pause":
            return times.session + chance.uniform(1.0, 4.0)
        case "broker":
            return chance.uniform(1.0, times.broker_down_max)
        case "all off" | "silence":
            return times.thread_timeout + chance.uniform(1.0, 4.0)
        case _:
            return chance.uniform(0.2, 3.0)  # until a supervisor starts it anew
