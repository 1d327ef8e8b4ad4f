"""The long form: make fault SEED=n. Workers with a broken rule alone: pytest tests/fault -k broken."""

from pathlib import Path

import pytest

from tests.fault.schedule import Times, drawn
from tests.fault.suite import run
from tests.support.broken_rules import RULES, Rule

pytestmark = pytest.mark.apache_kafka

TIMES = Times(broker_down_max=20.0)
RATE = 1100
NO_FENCE_SEED, NO_FENCE_SECONDS, NO_FENCE_RATE = 2, 60.0, 400
# Crashes, and times in which nobody reads while traffic goes on; workers that say what is false never finish.
BROKEN_SEED, BROKEN_SECONDS, BROKEN_RATE = 3, 60.0, 400
BROKEN_TIMES = Times(drain_max=30.0)


async def test_all_that_is_said_follows_from_the_log(
    tmp_path: Path, seed: int, minutes: float, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        happened = await run(tmp_path, drawn(seed, TIMES), TIMES, seed=seed, seconds=60 * minutes, rate=RATE)
    assert happened.is_drained
    assert happened.verdict.is_exact
    assert happened.verdict.closed > 0
    assert happened.faults.total() >= 6 * minutes


async def test_without_a_fence_workers_that_were_paused_make_others_say_what_is_false(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    no_fence = {"THREADLINE_STREAM_TRANSACTIONS": "false"}
    pauses = drawn(NO_FENCE_SEED, TIMES, ("pause",))
    with capsys.disabled():
        happened = await run(
            tmp_path, pauses, TIMES, seed=NO_FENCE_SEED, seconds=NO_FENCE_SECONDS, rate=NO_FENCE_RATE, env=no_fence
        )
    assert not happened.verdict.is_exact
    assert happened.verdict.false + happened.verdict.wrong > 0


@pytest.mark.parametrize("rule", RULES)
async def test_a_broken_rule_is_found(rule: Rule, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faults = drawn(BROKEN_SEED, BROKEN_TIMES, ("kill", "all off"))
    with capsys.disabled():
        happened = await run(
            tmp_path, faults, BROKEN_TIMES, seed=BROKEN_SEED, seconds=BROKEN_SECONDS, rate=BROKEN_RATE, rule=rule
        )
    assert not (happened.verdict.is_exact and happened.is_drained)
    assert happened.verdict.closed > 0
