"""The long form: make fault SEED=n."""

from pathlib import Path

import pytest

from tests.fault.schedule import Times, drawn
from tests.fault.suite import run

pytestmark = pytest.mark.apache_kafka

TIMES = Times(broker_down_max=20.0)
RATE = 600


async def test_all_that_is_said_follows_from_the_log(
    tmp_path: Path, seed: int, minutes: float, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        happened = await run(tmp_path, drawn(seed, TIMES), TIMES, seed=seed, seconds=60 * minutes, rate=RATE)
    assert happened.is_drained
    assert happened.verdict.is_exact
    assert happened.verdict.closed > 0
    assert happened.faults.total() >= 6 * minutes
