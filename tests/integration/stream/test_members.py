"""On Apache Kafka: a static member that comes back disturbs nobody, and large events do not pile up in a worker."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.commands.bench.measure import metric_of
from pipeline.events.envelope import Record, headers_of
from pipeline.settings import KafkaSettings
from pipeline.topics import TRACES
from tests.apache_kafka.broker import ApacheKafka
from tests.integration.stream.worker_process import WorkerProcess, committed
from tests.support.waiting import eventually
from tests.unit.stream.logs import key

pytestmark = pytest.mark.apache_kafka

PARTITIONS = 2
SESSION_TIMEOUT_MS = 60_000
"""So long that a member which is away is not given up while the test runs, however slow the machine."""

LARGE_BYTES = 8 * 1024 * 1024
LARGE_EVENTS = 40
READ_AHEAD_BYTES_MAX = 2 * LARGE_BYTES
EVENTS_IN_HAND_MAX = 12
"""Prefetched and polled (one each a partition), queued or being applied (2), and as much again as they are read."""


@pytest_asyncio.fixture
async def kafka(tmp_path: Path) -> AsyncIterator[KafkaSettings]:
    broker = ApacheKafka(tmp_path / "kafka")
    await broker.start()
    settings = KafkaSettings(
        bootstrap=broker.bootstrap,
        partitions=PARTITIONS,
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=1000,
    )
    await ensure_topics(settings, SystemClock())
    yield settings
    await broker.kill()


def env_of(kafka: KafkaSettings, instance_id: str) -> Mapping[str, str]:
    names = ("bootstrap", "partitions", "session_timeout_ms", "heartbeat_interval_ms")
    return {
        **{f"THREADLINE_KAFKA_{name.upper()}": str(getattr(kafka, name)) for name in names},
        "THREADLINE_STREAM_INSTANCE_ID": instance_id,
        "THREADLINE_STREAM_READ_AHEAD_BYTES_MAX": str(READ_AHEAD_BYTES_MAX),
        "THREADLINE_OPERATION_PORT": "0",
    }


async def metric(worker: WorkerProcess, name: str, **labels: str) -> float:
    [port] = [json.loads(line)["operation_port"] for line in worker.lines if '"operation_port"' in line]
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        return metric_of(await answer.text(), f"threadline_stream_{name}", **labels)


def peak_bytes(worker: WorkerProcess) -> int:
    """Return the most memory that was resident at any time (`proc_pid_status`(5))."""
    lines = Path(f"/proc/{worker.process.pid}/status").read_text().splitlines()
    [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) * 1024


async def test_a_static_member_that_comes_back_gets_its_partitions_and_the_others_keep_theirs(
    kafka: KafkaSettings,
) -> None:
    """First after a crash, then after an orderly end: a static member does not say goodbye."""
    workers = [await WorkerProcess.start(env_of(kafka, name)) for name in ("staying", "coming back")]

    async def come_back() -> None:
        workers.append(await WorkerProcess.start(env_of(kafka, "coming back")))
        await workers[-1].wait_until_ready()
        assert await metric(workers[-1], "rebalances_total") == 1

    try:
        for worker in workers:
            await worker.wait_until_ready()
        staying = workers[0]
        assignments = await metric(staying, "rebalances_total")
        await workers[-1].kill()
        await come_back()
        await workers[-1].stop()
        await come_back()
        assert await metric(staying, "rebalances_total") == assignments
    finally:
        for worker in workers:
            await worker.kill()


async def test_large_events_that_wait_do_not_fill_the_memory_of_a_worker(kafka: KafkaSettings) -> None:
    worker = await WorkerProcess.start(env_of(kafka, "only"))
    try:
        await worker.wait_until_ready()
        before = peak_bytes(worker)
        value = b" " * LARGE_BYTES
        async with EventProducer(kafka, client_id="test") as producer:
            for number in range(LARGE_EVENTS):
                await producer.publish(TRACES, [Record(key(str(number)), value, headers_of("trace"))])
        await eventually(
            lambda: metric(worker, "records_total", kind="trace"), lambda count: count >= LARGE_EVENTS, seconds_max=60
        )
        assert peak_bytes(worker) - before < EVENTS_IN_HAND_MAX * LARGE_BYTES
        await worker.stop()
        assert sum((await committed(kafka, TRACES)).values()) >= LARGE_EVENTS
    finally:
        await worker.kill()
