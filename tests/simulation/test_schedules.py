"""`make check` runs a few hundred schedules, `make fault SEED=n` ten thousand; --schedules says how many."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.simulation.faults import WEIGHTS
from tests.simulation.simulation import Outcome, simulate

SEEDS_APART = 1_000_000
"""The schedules of one --seed begin so far behind those of the one before."""
FOUND_SOMETHING = (7_001_573,)
"""An offset was committed between a worker's fence and its look at what is committed."""
SCHEDULES_FOR_EVERYTHING = 100
"""In so many, each kind of fault has happened, and each consequence that one may have."""


@pytest.fixture
def schedules(request: pytest.FixtureRequest) -> int:
    found: int = request.config.getoption("--schedules")
    return found


def test_whatever_happens_all_that_is_said_follows_from_the_log(
    seed: int, schedules: int, capsys: pytest.CaptureFixture[str]
) -> None:
    happened: Counter[str] = Counter()
    wall_seconds, cpu_seconds = time.monotonic(), time.process_time()
    first = seed * SEEDS_APART
    for number in range(first, first + schedules):
        outcome = simulate(number)
        assert outcome.wrong == [], f"\n{outcome.told()}\nall of it: python -m tests.simulation {number}"
        happened.update(things_in(outcome))
    wall_seconds, cpu_seconds = time.monotonic() - wall_seconds, time.process_time() - cpu_seconds
    with capsys.disabled():
        told = ", ".join(f"{count:,} {thing}" for thing, count in sorted(happened.items()))
        rates = (
            f"{60 * schedules / wall_seconds:,.0f} a minute ({60 * schedules / cpu_seconds:,.0f} of one core's time)"
        )
        sys.stdout.write(f"\n{schedules:,} schedules from seed {first} on, {rates}: {told}\n")
    if schedules >= SCHEDULES_FOR_EVERYTHING:
        consequences = {"closed", "said twice", "fenced", "not confirmed", "ended by themselves", "recovered"}
        assert happened.keys() >= WEIGHTS.keys() | consequences


@pytest.mark.parametrize("number", FOUND_SOMETHING)
def test_a_schedule_that_once_found_a_defect_finds_none(number: int) -> None:
    assert simulate(number).wrong == []


def test_a_seed_gives_the_same_steps_each_time(seed: int) -> None:
    first, second = simulate(seed), simulate(seed)

    assert first.steps == second.steps
    assert first.digest == second.digest


def test_a_seed_gives_the_same_steps_in_every_process(seed: int) -> None:
    """Sets have another order in each process, unless it is told otherwise."""
    told = {
        subprocess.run(
            [sys.executable, "-m", "tests.simulation", str(seed)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }

    assert told == {simulate(seed).told(last=None) + "\n"}


def test_other_seeds_give_other_steps(seed: int) -> None:
    assert simulate(seed).digest != simulate(seed + 1).digest


def things_in(outcome: Outcome) -> Counter[str]:
    """Count the faults of a schedule, and what came of them."""
    steps = [[str(part) for part in step[1:]] for step in outcome.steps]
    return Counter(
        {
            **Counter(step[1] for step in steps if step[0] == "fault"),
            **some("fenced", (step for step in steps if step[-1] == "Outdated()")),
            **some("not confirmed", (step for step in steps if step[-1].endswith("not confirmed"))),
            **some("ended by themselves", (step for step in steps if step[1:2] == ["ends"] and step[2] != "as asked")),
            **some("recovered", (step for step in steps if step[1:2] == ["end offsets"])),
            "closed": outcome.verdict.closed,
            "said twice": outcome.verdict.repeated,
        }
    )


def some(thing: str, steps: Iterable[object]) -> dict[str, int]:
    count = sum(1 for _ in steps)
    return {thing: count} if count else {}
