import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.health import Health
from pipeline.settings import OperationSettings
from tests.support.raw_http import get


@pytest_asyncio.fixture
async def health() -> AsyncIterator[Health]:
    health = Health(OperationSettings(port=0))
    await health.start()
    yield health
    await health.stop()


async def test_a_process_without_faults_is_alive_before_it_is_ready(health: Health) -> None:
    alive, ready = await get(health.port, "/healthz"), await get(health.port, "/readyz")

    assert (alive.status, json.loads(alive.body)) == (200, {"alive": True, "faults": {}})
    assert (ready.status, json.loads(ready.body)) == (503, {"ready": False})


async def test_ready_is_what_the_stage_says(health: Health) -> None:
    statuses = []
    for ready in (True, False, True):
        health.set_ready(ready=ready)
        statuses.append((await get(health.port, "/readyz")).status)

    assert statuses == [200, 503, 200]


async def test_a_fault_is_named_and_ends_with_its_cause(health: Health) -> None:
    faults: list[str | None] = ["no progress for 61 s", None]
    health.live_while("stalled", lambda: faults[0])
    health.live_while("other", lambda: None)
    stalled = await get(health.port, "/healthz")
    faults.reverse()
    again = await get(health.port, "/healthz")

    assert (stalled.status, json.loads(stalled.body)["faults"]) == (503, {"stalled": "no progress for 61 s"})
    assert again.status == 200


async def test_a_fault_does_not_take_away_readiness(health: Health) -> None:
    health.set_ready(ready=True)
    health.live_while("stalled", lambda: "yes")

    assert (await get(health.port, "/readyz")).status == 200


async def test_metrics_are_shown_in_prometheus_own_form(health: Health) -> None:
    metrics.BUILD.labels("9.9.9", "test").set(1)
    answer = await get(health.port, "/metrics")

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert b'threadline_build{stage="test",version="9.9.9"} 1.0' in answer.body


@pytest.mark.parametrize("path", ["/", "/nothing"])
async def test_there_is_nothing_else(health: Health, path: str) -> None:
    assert (await get(health.port, path)).status == 404


async def test_the_port_is_closed_and_still_known_afterwards() -> None:
    health = Health(OperationSettings(port=0))
    await health.start()
    port = health.port
    await health.stop()

    assert health.port == port
    with pytest.raises(ConnectionRefusedError):
        await get(port, "/healthz")
