"""What a schedule begins with: drawn from its seed."""

import random
from dataclasses import dataclass

from tests.simulation.worker import Pace


@dataclass(frozen=True, slots=True)
class Scene:
    """How much there is of everything, and how fast it goes.

    `slice_max` is after how many records and deadlines others have a turn, `step_seconds` what one step of a process
    takes, `delay_seconds` a request on its way, and `rest_seconds` lie between two bursts of traffic; the last two on
    average. Without a fence the broker keeps no metadata either, as the embedded one.
    """

    partitions: int
    threads: int
    workers: int
    faults: int
    is_fenced: bool
    slice_max: int
    pace: Pace
    delay_seconds: float
    step_seconds: float
    rest_seconds: float

    @classmethod
    def drawn(cls, chance: random.Random) -> "Scene":
        """Return the next scene."""
        return cls(
            partitions=chance.randint(1, 3),
            threads=chance.randint(2, 8),
            workers=chance.choice((1, 2, 2, 3)),
            faults=chance.randint(3, 8),
            is_fenced=chance.random() < 0.8,
            slice_max=chance.choice((1, 2, 1000)),
            pace=Pace(commit=chance.choice((0.4, 1.0)), batch_records_max=chance.choice((1, 5, 50))),
            delay_seconds=chance.choice((0.002, 0.01, 0.05)),
            step_seconds=chance.choice((0.0, 0.0002, 0.002)),
            rest_seconds=chance.choice((0.08, 0.2, 0.4)),
        )
