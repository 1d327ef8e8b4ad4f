"""The short form of the fault suite (`tests/fault`): each kind of fault at least once."""

from pathlib import Path

import pytest

from tests.fault.schedule import KINDS, Times, drawn
from tests.fault.suite import run

pytestmark = pytest.mark.apache_kafka

SECONDS = 75.0
RATE = 400
SEED = 7


async def test_whatever_happens_all_that_is_said_follows_from_the_log(tmp_path: Path) -> None:
    times = Times()
    happened = await run(tmp_path, drawn(SEED, times), times, seed=SEED, seconds=SECONDS, rate=RATE)
    assert happened.is_drained
    assert happened.verdict.is_exact
    assert happened.verdict.closed > 0
    assert happened.faults.keys() == set(KINDS)
