"""The long form: make fault SEED=n. Workers with a broken rule alone: pytest tests/fault -k broken."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fault.schedule import FaultKind, Times, drawn
from tests.fault.suite import Run, run
from tests.support.broken_rules import RULES, Rule

pytestmark = pytest.mark.apache_kafka

TIMES = Times(broker_down_max=20.0)
RATE = 1100
BROKEN_SECONDS, BROKEN_RATE = 60.0, 800
# Workers must have begun, and hold open threads, before the next fault; those that say what is false may never finish.
BROKEN_TIMES = Times(rest=(6.0, 10.0), drain_max=20.0)

# What makes a broken rule show itself for certain. A crash does only where it falls between two steps.
FAULTS: Mapping[Rule, FaultKind] = {
    "output after state": "kill between steps",
    "offsets before state": "kill between steps",
    "two wheel entries": "none",
    "closing by wall clock": "all off",
    "replay not skipped": "kill between steps",
}


async def test_all_that_is_said_follows_from_the_log(
    tmp_path: Path, seed: int, minutes: float, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        happened = await run(tmp_path, drawn(seed, TIMES), TIMES, seed=seed, seconds=60 * minutes, rate=RATE)
    assert happened.is_drained
    assert happened.verdict.is_exact
    assert happened.verdict.closed > 0
    assert happened.faults.total() >= 6 * minutes


@pytest.mark.parametrize("rule", RULES)
async def test_a_broken_rule_is_found(
    rule: Rule, tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The faults are those that the rule is there for.

    Two entries in the wheel need none, and say nothing that is false: they close a session twice, with one id and
    content. It is the count of open threads that goes wrong by that, and with it the ticks: they never end, so that
    nothing is finished.
    """
    happened = await _run_broken(tmp_path, FAULTS[rule], seed, capsys, rule=rule)
    assert happened.verdict.closed > 0
    if rule == "two wheel entries":
        assert happened.verdict.repeated > 0
        assert not happened.is_drained
    else:
        assert not happened.verdict.is_exact


async def test_a_broken_fence_is_found(tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Without transactions a worker that was paused makes those who come after it say what is false."""
    env = {"THREADLINE_STREAM_TRANSACTIONS": "false"}
    happened = await _run_broken(tmp_path, "pause", seed, capsys, env=env)
    assert happened.verdict.false + happened.verdict.wrong > 0


async def _run_broken(
    folder: Path, kind: FaultKind, seed: int, capsys: pytest.CaptureFixture[str], **broken: Any
) -> Run:
    """Run with faults of one kind; `broken` is what `run` takes to break a rule."""
    faults = drawn(seed, BROKEN_TIMES, (kind,))
    with capsys.disabled():
        return await run(folder, faults, BROKEN_TIMES, seed=seed, seconds=BROKEN_SECONDS, rate=BROKEN_RATE, **broken)
