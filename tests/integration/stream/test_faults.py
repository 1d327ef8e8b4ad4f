"""The short form of the fault suite (`tests/fault`): each kind of fault once."""

import math
from itertools import islice
from pathlib import Path

import pytest

from tests.fault.schedule import KINDS, Times, drawn
from tests.fault.suite import run

pytestmark = pytest.mark.apache_kafka

RATE = 400
SEED = 7


async def test_whatever_happens_all_that_is_said_follows_from_the_log(tmp_path: Path) -> None:
    times = Times()
    each_once = islice(drawn(SEED, times), len(KINDS))
    happened = await run(tmp_path, each_once, times, seed=SEED, seconds=math.inf, rate=RATE)
    assert happened.is_drained
    assert happened.verdict.is_exact
    assert happened.verdict.closed > 0
    assert happened.faults.keys() == set(KINDS)
