"""An upgrade under load: every process of every stage is replaced, one after the other, on Apache Kafka."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import uuid_utils.compat as uuids

from pipeline.adapters.kafka.offsets import read_bounds
from pipeline.local.process import free_ports
from pipeline.settings import TIMEOUT_VARIABLE
from pipeline.sinks.reconciliation import balance_all
from pipeline.topics import EVALUATORS_GROUP, THREADS
from tests.apache_kafka.broker import ApacheKafka
from tests.fault.schedule import Times
from tests.fault.suite import drained
from tests.fault.verdict import judge
from tests.support.command import RunningStage
from tests.support.installation import Installation, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.apache_kafka

STAGES: Final = ("serve", "worker", "evaluate", "sink")
OF_EACH: Final = 2
THREADS_MAX: Final = 300
BATCH: Final = 10
ROUND_SECONDS: Final = 0.1
REST_SECONDS: Final = 2.0  # between two restarts, for closes to fall due
TIMES: Final = Times(thread_timeout=3, session=10)


class Process:
    """One of our processes, with the environment that is its own."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name: Final = name
        self._environment: Final = environment
        self._stage: RunningStage | None = None

    async def start(self) -> None:
        self._stage = await RunningStage.start(self._environment, self.name)

    async def replace(self) -> None:
        """Let it finish, and start another in its place; return when that takes work."""
        assert self._stage is not None
        code = await self._stage.drain()
        assert code == 0, f"{self.name}: exit code {code}:\n{self._stage.child.tail}"
        await self.start()

    async def kill(self) -> None:
        if self._stage is not None:
            await self._stage.child.kill()


class Load:
    """Turns of many conversations over HTTP; what one serve does not take, the next one is asked to."""

    def __init__(self, ports: list[int], seed: int) -> None:
        self._ports: Final = cycle(ports)
        self._of_each: Final = len(ports)
        self._chance: Final = random.Random(seed)
        self.accepted: Final[set[str]] = set()
        self.refused: Final[list[aiohttp.ClientError]] = []

    async def run(self) -> None:
        """Send until cancelled; each batch until it is taken."""
        async with aiohttp.ClientSession() as session:
            while True:
                traces = [self._turn() for _ in range(BATCH)]
                sending = asyncio.create_task(self._send(session, traces))
                try:
                    await asyncio.shield(sending)
                except asyncio.CancelledError:
                    await sending
                    raise
                await asyncio.sleep(ROUND_SECONDS)

    async def _send(self, session: aiohttp.ClientSession, traces: list[dict[str, Any]]) -> None:
        for port in self._ports:
            url = f"http://127.0.0.1:{port}/api/v1/private/traces/batch"
            try:
                async with session.post(url, json={"traces": traces}) as answer:
                    if answer.ok:
                        self.accepted |= {trace["id"] for trace in traces}
                        return
                    assert answer.status in {429, 503}, await answer.text()
            except aiohttp.ClientError as error:
                self.refused.append(error)  # it is being replaced: a load balancer asks the other one, too
            await asyncio.sleep(ROUND_SECONDS)

    def _turn(self) -> dict[str, Any]:
        return {
            "id": str(uuids.uuid7()),
            "project_name": "rollout",
            "thread_id": f"conversation {self._chance.randrange(THREADS_MAX)}",
            "name": "turn",
            "input": {"text": "x" * 200},
            "start_time": "2026-11-23T05:00:00Z",
        }


def processes(installed: Installation, ports: list[int]) -> Iterator[Process]:
    common = {
        **installed.environment(),
        TIMEOUT_VARIABLE: f"{TIMES.thread_timeout}s",
        "THREADLINE_KAFKA_SESSION_TIMEOUT_MS": str(TIMES.session * 1000),
        "THREADLINE_KAFKA_HEARTBEAT_INTERVAL_MS": "1000",
        "THREADLINE_EVALUATE_DEFAULT_EVALUATORS": "turns",
    }
    for name in STAGES:
        for number in range(OF_EACH):
            own = {
                "serve": {"THREADLINE_GATEWAY_PORT": str(ports[number])},
                "worker": {"THREADLINE_STREAM_INSTANCE_ID": f"worker-{number}"},
            }.get(name, {})
            yield Process(name, {**common, **own})


@asynccontextmanager
async def started(installed: Installation, ports: list[int]) -> AsyncIterator[list[Process]]:
    found = list(processes(installed, ports))
    try:
        for one in range(0, len(found), OF_EACH):
            await asyncio.gather(*(process.start() for process in islice(found, one, one + OF_EACH)))
        yield found
    finally:
        await asyncio.gather(*(process.kill() for process in found))


async def evaluated(installed: Installation) -> None:
    """Return when the evaluators have committed every session that closed."""

    async def behind() -> int:
        bounds = (await read_bounds(installed.kafka, [THREADS], EVALUATORS_GROUP))[THREADS.name]
        return sum(bound.end - bound.committed for bound in bounds)

    await eventually(behind, lambda left: left == 0, seconds_max=TIMES.drain_max)


async def test_nothing_is_lost_and_no_close_missed_or_false_while_every_process_is_replaced(
    tmp_path: Path, seed: int
) -> None:
    ports = free_ports(OF_EACH)
    load = Load(ports, seed)
    async with running(Installation(tmp_path, ApacheKafka(tmp_path / "kafka"))) as installed:
        async with started(installed, ports) as found:
            sending = asyncio.create_task(load.run())
            for process in found:
                await asyncio.sleep(REST_SECONDS)
                assert not sending.done()
                await process.replace()
            await asyncio.sleep(REST_SECONDS)
            sending.cancel()
            await asyncio.wait({sending})
            assert await drained(installed.kafka, TIMES)
            await evaluated(installed)
            await installed.stored()

        verdict = await judge(installed.kafka)
        [row] = await installed.client.rows("SELECT uniqExact(id) AS traces FROM trace_events")
        balances = await balance_all(installed.kafka, installed.client)

    assert verdict.is_exact, verdict.examples[:10]
    assert verdict.closed > THREADS_MAX
    assert load.refused  # a serve was away while there was load
    assert row["traces"] == len(load.accepted) > 0
    assert {balance.topic: (balance.gap, balance.pending, balance.dead_lettered) for balance in balances} == {
        balance.topic: (0, 0, 0) for balance in balances
    }
