"""The long form: make fault SEED=n."""

from pathlib import Path

import pytest

from tests.fault.sink_suite import KINDS, run

pytestmark = pytest.mark.apache_kafka

FAULTS_PER_MINUTE = 12


async def test_every_row_follows_from_the_logs_whatever_happens(tmp_path: Path, seed: int, minutes: float) -> None:
    done = await run(tmp_path, seed, max(len(KINDS), int(FAULTS_PER_MINUTE * minutes)))

    assert done.wrong == []
    assert done.happened.keys() == set(KINDS)
    assert done.poison > 0
