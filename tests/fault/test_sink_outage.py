"""Without storage for a minute, or ten: pytest tests/fault/test_sink_outage.py --outage-seconds 600."""

from pathlib import Path

import pytest

from tests.fault.sink_outage import EVENTS_PER_SECOND, run

pytestmark = pytest.mark.apache_kafka

TIMES_ARRIVAL_MIN = 5


async def test_what_piled_up_without_storage_is_stored_five_times_as_fast_as_events_come(
    tmp_path: Path, seed: int, outage_seconds: float
) -> None:
    found = await run(tmp_path, seed, outage_seconds)

    print(f"{found.backlog:,} records behind, stored in {found.seconds:.1f} s: {found.times_arrival:.1f} x arrival")
    assert found.backlog > outage_seconds * EVENTS_PER_SECOND / 2
    assert {(balance.gap, balance.pending, balance.dead_lettered) for balance in found.balances} == {(0, 0, 0)}
    assert found.times_arrival >= TIMES_ARRIVAL_MIN
