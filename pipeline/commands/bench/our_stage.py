"""The stream stage as it runs in production: `threadline worker`, looked at through its operator's port and /proc."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import msgspec

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.offsets import read_bounds
from pipeline.commands.bench.measure import Throughput, cpu_seconds, metric_of
from pipeline.errors import FatalError
from pipeline.local.process import ChildProcess
from pipeline.settings import TIMEOUT_VARIABLE, KafkaSettings
from pipeline.topics import STREAM_GROUP, TRACES

POLL_SECONDS: Final = 0.1
RECORDS: Final = "threadline_stream_records_total"

_WAIT_SECONDS: Final = 0.5
_START_SECONDS_MAX: Final = 60.0
_LOADED_KINDS: Final = ("trace", "close")


class Worker:
    """A running stage, `threadline worker` or another."""

    def __init__(self, process: ChildProcess, session: aiohttp.ClientSession, port: int) -> None:
        self._process: Final = process
        self._session: Final = session
        self._port: Final = port

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def metrics(self) -> str:
        """Return its metrics, as text; raises FatalError where it has ended."""
        return await self._get("metrics")

    async def ping(self) -> None:
        """Wait until its event loop has answered; raises FatalError where it has ended."""
        await self._get("healthz")

    async def applied(self) -> int:
        """Return how many of the records of a load it has applied."""
        exposition = await self.metrics()
        return int(sum(metric_of(exposition, RECORDS, kind=kind) for kind in _LOADED_KINDS))

    async def wait_for(self, name: str, at_least: float, *, seconds_max: float, **labels: str) -> None:
        """Return when a metric has reached a value; raises FatalError where that takes longer than `seconds_max`.

        It is looked at seldom: to write all metrics down costs the worker two milliseconds.
        """
        async with within(seconds_max, f"{name} to reach {at_least:g}"):
            while True:
                if metric_of(await self.metrics(), name, **labels) >= at_least:
                    return
                await asyncio.sleep(_WAIT_SECONDS)

    async def kill(self) -> None:
        """End it as a crash would."""
        await self._process.kill()

    async def _get(self, path: str) -> str:
        try:
            async with self._session.get(f"http://127.0.0.1:{self._port}/{path}") as answer:
                return await answer.text()
        except aiohttp.ClientError as error:
            raise FatalError(f"the worker does not answer: {error!r}\n{self._process.tail}") from error


@asynccontextmanager
async def running_worker(kafka: KafkaSettings, *, thread_timeout: str) -> AsyncIterator[Worker]:
    """Start a worker, and go on as soon as its operator's port is open: it owns no partitions yet."""
    environment = {
        **environment_of(kafka),
        TIMEOUT_VARIABLE: thread_timeout,
        "THREADLINE_STREAM_TRANSACTIONS": "false",  # the embedded broker has none
    }
    async with running_stage("worker", environment) as worker:
        yield worker


@asynccontextmanager
async def running_stage(name: str, environment: Mapping[str, str]) -> AsyncIterator[Worker]:
    """Start a stage as its command, and go on as soon as its operator's port is open."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_line(line: str) -> None:
        if not port.done() and (found := _operation_port(line)) is not None:
            port.set_result(found)

    process = await ChildProcess.start([sys.executable, "-m", "pipeline", name], env=environment, on_line=on_line)
    async with process, aiohttp.ClientSession() as session:
        ended = asyncio.ensure_future(process.wait())
        await asyncio.wait({port, ended}, timeout=_START_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED)
        if not port.done():
            raise FatalError(f"threadline {name} does not start:\n{process.tail}")
        yield Worker(process, session, port.result())


async def log_ends(kafka: KafkaSettings) -> list[int]:
    """Return the end of each partition of the log of threads."""
    return [bound.end for bound in (await read_bounds(kafka, [TRACES], STREAM_GROUP))[TRACES.name]]


async def wait_until_committed(kafka: KafkaSettings, ends: Sequence[int], *, seconds_max: float) -> None:
    """Return when the stage has made everything before `ends` durable; raises FatalError after `seconds_max`."""
    async with within(seconds_max, "the stage to commit"):
        while True:
            bounds = (await read_bounds(kafka, [TRACES], STREAM_GROUP))[TRACES.name]
            if all(bound.committed >= end for bound, end in zip(bounds, ends, strict=True)):
                return
            await asyncio.sleep(POLL_SECONDS)


async def apply_log(kafka: KafkaSettings, events: int, clock: Clock, *, seconds_max: float) -> Throughput:
    """Let a worker apply the whole log, which holds `events` records; it writes state, outputs, commits and ticks.

    The time is from the last look at which nothing was applied to the first at which everything was. The CPU time goes
    on until all of it is committed. Raises FatalError where that takes longer than `seconds_max`.
    """
    ends = await log_ends(kafka)
    async with running_worker(kafka, thread_timeout="15m") as worker, within(seconds_max, "the log to be applied"):
        began_at, began_cpu = clock.monotonic(), cpu_seconds(worker.pid)
        while True:
            looked_at, looked_cpu = clock.monotonic(), cpu_seconds(worker.pid)
            applied = await worker.applied()
            if applied == 0:
                began_at, began_cpu = looked_at, looked_cpu
            if applied >= events:
                break
            await asyncio.sleep(POLL_SECONDS)
        ended_at = clock.monotonic()
        await wait_until_committed(kafka, ends, seconds_max=seconds_max)
        return Throughput(
            events=await worker.applied(),
            seconds=ended_at - began_at,
            cpu_seconds=cpu_seconds(worker.pid) - began_cpu,
        )


@asynccontextmanager
async def within(seconds_max: float, step: str) -> AsyncIterator[None]:
    """Raise FatalError, naming the step that was waited for, where the block takes longer than `seconds_max`."""
    try:
        async with asyncio.timeout(seconds_max):
            yield
    except TimeoutError as error:
        raise FatalError(f"waited {seconds_max:g} s for {step}") from error


def _operation_port(line: str) -> int | None:
    """Return the port that the worker says it has opened, None where a line says something else."""
    try:
        said = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None
    return int(said["operation_port"]) if isinstance(said, dict) and "operation_port" in said else None


def environment_of(kafka: KafkaSettings) -> dict[str, str]:
    """Return what every stage of ours finds the broker by, and says on its operator's port."""
    names = ("bootstrap", "partitions", "session_timeout_ms", "heartbeat_interval_ms", "last_record_alone")
    return {
        **os.environ,
        **{f"THREADLINE_KAFKA_{name.upper()}": str(getattr(kafka, name)) for name in names},
        "THREADLINE_OPERATION_PORT": "0",
        "THREADLINE_OPERATION_LOG_FORMAT": "json",
    }
