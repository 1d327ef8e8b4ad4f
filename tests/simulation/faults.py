"""What goes wrong, when, and for how long: drawn from a seed."""

import random
from collections.abc import Collection, Iterator, Mapping
from typing import Final, Literal, NamedTuple

from tests.simulation.network import Moment

FaultKind = Literal[
    "kill",
    "kill at a request",
    "pause",
    "pause at a request",
    "stop",
    "join",
    "trouble",
    "slowness",
    "leader",
    "silence",
    "compaction",
    "all off",
    "broker away",
]

WEIGHTS: Final[Mapping[FaultKind, int]] = {
    "kill": 4,
    "kill at a request": 8,
    "pause": 4,
    "pause at a request": 5,
    "stop": 3,
    "join": 3,
    "trouble": 4,
    "slowness": 2,
    "leader": 2,
    "silence": 2,
    "compaction": 4,
    "all off": 1,
    "broker away": 3,
}
LONGER: Final = frozenset[FaultKind]({"silence", "all off", "broker away"})
"""These take twice as long as others, so that threads close meanwhile."""
NEED_FENCE: Final = frozenset[FaultKind]({"pause", "pause at a request"})
REST_SECONDS: Final = (0.05, 1.0)
FAULT_SECONDS: Final = (0.1, 1.2)
PAUSE_SESSIONS: Final = (0.5, 3.0)
REQUESTS_MAX: Final = 8


class Fault(NamedTuple):
    """What happens after `rest_seconds`, for `seconds`; `choice` (0 to 1) says to whom.

    What happens at a request does so at the `requests`-th from then on, before or after the broker acts.
    """

    kind: FaultKind
    rest_seconds: float
    seconds: float
    choice: float
    requests: int
    moment: Moment


def kinds_of(*, is_fenced: bool) -> Collection[FaultKind]:
    """Return what may happen: without a fence no worker may go on after others have taken its partitions."""
    return WEIGHTS.keys() - (frozenset() if is_fenced else NEED_FENCE)


def drawn(
    chance: random.Random, kinds: Collection[FaultKind], *, count: int, session_seconds: float
) -> Iterator[Fault]:
    """Yield faults of these kinds."""
    weights = {kind: weight for kind, weight in WEIGHTS.items() if kind in kinds}
    for _ in range(count):
        [kind] = chance.choices(list(weights), list(weights.values()))
        is_pause = kind in NEED_FENCE
        seconds = chance.uniform(*PAUSE_SESSIONS) * session_seconds if is_pause else chance.uniform(*FAULT_SECONDS)
        seconds *= 1 + (kind in LONGER)
        moment: Moment = chance.choice(("before", "after"))
        rest_seconds, choice = chance.uniform(*REST_SECONDS), chance.random()
        yield Fault(kind, rest_seconds, seconds, choice, chance.randint(1, REQUESTS_MAX), moment)
