"""The long form of the alerts that fire: a fifth of the times that an operator's Prometheus takes."""

from pathlib import Path

import pytest

from tests.support.alerting import poison_fires, storage_stopped_fires, watched_stack, worker_stopped_fires
from tests.support.prometheus import ALERTS, quick

pytestmark = pytest.mark.promtool

WINDOW, WAIT, SECONDS_MAX = "60s", "30s", 300.0


async def test_somebody_is_woken_up_for_each_fault_and_can_sleep_again_when_it_is_gone(tmp_path: Path) -> None:
    async with watched_stack(tmp_path, quick(ALERTS.read_text(), window=WINDOW, wait=WAIT)) as watched:
        for fault_fires in (worker_stopped_fires, poison_fires, storage_stopped_fires):
            assert await watched.prometheus.firing() & {"ThreadlineServeAbsent", "ThreadlineSinkAbsent"} == set()
            await fault_fires(watched, seconds_max=SECONDS_MAX)
