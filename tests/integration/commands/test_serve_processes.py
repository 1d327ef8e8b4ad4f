import re
from collections.abc import Mapping

import pytest

from pipeline.local.process import free_ports_in_a_row
from tests.support.command import RunningStage, migrate, run_command
from tests.support.raw_http import get
from tests.support.waiting import eventually

PROCESSES = 2
REQUESTS = 64
COUNTED = re.compile(r'^threadline_gateway_requests_total\{route="/is-alive/ping",status="200"\} (\S+)', re.MULTILINE)


@pytest.fixture
def shared(environment: Mapping[str, str]) -> Mapping[str, str]:
    first, *_ = free_ports_in_a_row(PROCESSES)
    return {
        **environment,
        "THREADLINE_GATEWAY_PROCESSES": str(PROCESSES),
        "THREADLINE_OPERATION_PORT": str(first),
    }


async def counted(stage: RunningStage, port: int) -> float:
    stage.operation_port = port
    found = COUNTED.search((await stage.ask("/metrics"))[1])
    return float(found[1]) if found else 0.0


async def test_processes_share_the_port_show_their_own_metrics_and_end_together(shared: Mapping[str, str]) -> None:
    await migrate(shared)
    stage = await RunningStage.start(shared, "serve")
    first = int(shared["THREADLINE_OPERATION_PORT"])
    for port in range(first, first + PROCESSES):
        stage.operation_port = port
        await eventually(lambda: is_ready(stage), bool)

    for _ in range(REQUESTS):
        assert (await get(int(shared["THREADLINE_GATEWAY_PORT"]), "/is-alive/ping")).status == 200

    shares = [await counted(stage, first + number) for number in range(PROCESSES)]
    assert sum(shares) == REQUESTS
    assert all(shares), shares
    assert await stage.drain() == 0


async def is_ready(stage: RunningStage) -> bool:
    try:
        return (await stage.ask("/readyz"))[0] == 200
    except OSError:  # not yet listening, or 503
        return False


async def test_without_a_port_there_is_nothing_to_share(environment: Mapping[str, str]) -> None:
    wanted = {"THREADLINE_GATEWAY_PROCESSES": "2", "THREADLINE_GATEWAY_PORT": "0"}

    code, said = await run_command({**environment, **wanted}, "serve")

    assert code == 1
    assert "THREADLINE_GATEWAY_PORT" in said
