"""The short form of the sinks' fault suite (`tests/fault`): each kind of fault once."""

from pathlib import Path

import pytest

from tests.fault.sink_suite import KINDS, run

pytestmark = pytest.mark.apache_kafka

SEED = 7


async def test_whatever_happens_every_row_follows_from_the_logs(tmp_path: Path) -> None:
    done = await run(tmp_path, SEED, len(KINDS))

    assert done.wrong == []
    assert done.happened.keys() == set(KINDS)
    assert done.events > 3000
    assert done.poison > 0
