"""The simulation is worth something if it finds what is wrong: break a rule, and some seed shows it soon."""

from itertools import count
from typing import Any

import pytest

from tests.simulation.faults import NEED_FENCE
from tests.simulation.simulation import Outcome, simulate
from tests.support.broken_rules import RULES, Rule

SEEDS_MAX = 150


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_rule_is_found(rule: Rule) -> None:
    found = first_wrong(rule=rule)

    assert simulate(found.seed).wrong == [], "something else than the broken rule was found"


def test_without_a_fence_a_worker_that_wakes_too_late_is_found() -> None:
    found = first_wrong(kinds=NEED_FENCE, without_fence=True)

    assert any("goes on" in step for step in found.steps)
    with_fence = simulate(found.seed, kinds=NEED_FENCE)
    assert with_fence.wrong == [], "something else than the lack of a fence was found"


def first_wrong(**how: Any) -> Outcome:
    """Return the first schedule in which something is wrong; `how` is that of `simulate`."""
    for seed in count(1):
        assert seed <= SEEDS_MAX, f"{SEEDS_MAX} seeds did not find it"
        outcome = simulate(seed, **how)
        if outcome.wrong:
            return outcome
    raise AssertionError("numbers do not end")
