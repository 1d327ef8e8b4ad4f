"""What a gateway process does with hostile clients, with a Kafka that is away, and with more than it can take."""

import asyncio
import io
import json
import resource
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import cycle, takewhile
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.commands.bench.fairness import greedily
from pipeline.commands.bench.greedy_client import Greed
from pipeline.commands.bench.http_load import Clients
from pipeline.commands.bench.our_gateway import RunningGateway, running_gateway
from pipeline.commands.bench.requests import Requests
from pipeline.local.broker import EmbeddedBroker
from pipeline.settings import KafkaSettings
from pipeline.topics import TRACES
from tests.apache_kafka.broker import ApacheKafka
from tests.fault.gateway_load import BATCH, Log, batch_of, fresh_ids, post, write
from tests.fault.hostile_clients import BODY_BEGUN, HEAD_BEGUN, SILENT, bomb, dribble, held, send_endless
from tests.fault.sdk_processes import SdkProcesses, SdkSent, logging_with_sdk

MEMORY_BYTES_MAX: Final = 500 * 1000 * 1000
PARTITIONS: Final = 4
SERVED_SECONDS_MAX: Final = 120.0
RECOVERY_SECONDS_MAX: Final = 120.0
GREED_SECONDS_MAX: Final = 120.0
BATCHES_MEANWHILE: Final = 20
CAPACITY_SECONDS: Final = 4.0
OVERLOAD_TRACES: Final = 100
"""In each request of the client that offers too much."""
_PATIENT_CONNECTIONS: Final = 4
_GREEDY_CONNECTIONS: Final = 48
_DISTINCT: Final = 20

Broker = EmbeddedBroker | ApacheKafka


class Site(NamedTuple):
    """A gateway process and its broker."""

    broker: Broker
    kafka: KafkaSettings
    gateway: RunningGateway

    @property
    def port(self) -> int:
        return int(self.gateway.url.rpartition(":")[2])


@asynccontextmanager
async def site(broker: Broker, **settings: object) -> AsyncIterator[Site]:
    """Run a gateway on `broker`; the settings are those of THREADLINE_GATEWAY_."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the gateway, which inherits it, holds connections too
    await broker.start()
    kafka = KafkaSettings(
        bootstrap=broker.bootstrap,
        partitions=PARTITIONS,
        last_record_alone=isinstance(broker, EmbeddedBroker),
        session_timeout_ms=6000,
        heartbeat_interval_ms=1000,
    )
    more = {f"THREADLINE_GATEWAY_{name.upper()}": str(value) for name, value in settings.items()}
    try:
        await ensure_topics(kafka, SystemClock())
        async with running_gateway(kafka, more=more) as gateway:
            yield Site(broker, kafka, gateway)
    finally:
        await broker.stop()


async def stored_ids(kafka: KafkaSettings) -> Counter[str]:
    """Return the ids of all traces in the log, and how often each stands there."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, enable_auto_commit=False)
    places = [TopicPartition(TRACES.name, number) for number in range(PARTITIONS)]
    found: Counter[str] = Counter()
    await consumer.start()
    try:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for share in (await consumer.getmany(timeout_ms=200)).values():
                found.update(json.loads(record.value)["id"] for record in share if record.headers[0][1] == b"trace")
    finally:
        await consumer.stop()
    return found


@dataclass(frozen=True)
class Scale:
    """How many hostile clients there are of each kind."""

    slow: int
    bombs: int
    endless: int
    endless_megabytes: int
    idle: int


@dataclass(frozen=True)
class Served:
    """What became of the others, by what went on meanwhile; and the highest memory of the gateway."""

    others: dict[str, Counter[int]]
    hostile: dict[str, set[int]]
    peak_bytes: int


async def serve_among_hostile(site: Site, scale: Scale) -> Served:
    """Let others send batches while each kind of hostile client is at work."""
    others: dict[str, Counter[int]] = {}
    hostile: dict[str, set[int]] = {}
    async with aiohttp.ClientSession(site.gateway.url) as session:
        async with AsyncExitStack() as stack:
            slow = [
                writer
                for begun in (HEAD_BEGUN, BODY_BEGUN)
                for writer in await stack.enter_async_context(held(site.port, scale.slow, begun))
            ]
            stop = asyncio.Event()
            dribbling = asyncio.create_task(dribble(slow, stop))
            others["slow"] = await _others(session)
            stop.set()
            await dribbling
        async with held(site.port, scale.idle, SILENT):
            others["idle"] = await _others(session)
        large = bomb(256)
        bombs = [_send_bomb(session, large) for _ in range(scale.bombs)]
        others["bombs"], hostile["bombs"] = await _meanwhile(session, bombs)
        endless = [send_endless(site.port, scale.endless_megabytes) for _ in range(scale.endless)]
        others["endless"], hostile["endless"] = await _meanwhile(session, endless)
    return Served(others, hostile, site.gateway.peak_resident_bytes())


async def _meanwhile(
    session: aiohttp.ClientSession, hostile: list[Coroutine[Any, Any, int]]
) -> tuple[Counter[int], set[int]]:
    working = asyncio.gather(*hostile)
    return await _others(session), set(await working)


async def _others(session: aiohttp.ClientSession) -> Counter[int]:
    """Send batches one after another, each as the SDKs do until it is taken, and return how they were answered."""
    log = Log()
    for _ in range(BATCHES_MEANWHILE):
        ids = fresh_ids(10)
        async with asyncio.timeout(SERVED_SECONDS_MAX):
            while True:
                pause = await post(session, log, ids, batch_of(ids))
                if not pause:
                    break
                await asyncio.sleep(pause)
        assert log.taken.issuperset(ids)
    assert log.bare == []
    return log.statuses


async def _send_bomb(session: aiohttp.ClientSession, body: bytes) -> int:
    async with session.post(BATCH, data=io.BytesIO(body), headers={"Content-Encoding": "gzip"}) as answer:
        return answer.status


@dataclass(frozen=True)
class Outcome:
    """What the answers said, and which traces are not in the log although an answer said so."""

    log: Log
    missing: set[str]
    peak_bytes: int


@dataclass(frozen=True)
class WithSdk:
    """So many processes of the real SDK, each of which logs so many traces within so many seconds."""

    python: Path
    processes: int
    traces: int
    seconds: float

    def logging(self, site: Site) -> AbstractAsyncContextManager[SdkProcesses]:
        return logging_with_sdk(
            self.python, site.gateway.url, processes=self.processes, traces=self.traces, seconds=self.seconds
        )


async def lose_kafka_with_sdk(
    site: Site, sdk: WithSdk, *, seconds: float, writers: int
) -> tuple[Outcome, list[SdkSent]]:
    """The same while the real SDK logs, before, during and after; it counts as missing what the SDK calls sent."""
    async with sdk.logging(site) as processes:
        outcome = await lose_kafka(site, seconds=seconds, writers=writers, still=lambda: not processes.is_any_done)
        sent = await processes.sent()
    stored = await stored_ids(site.kafka)
    missing = outcome.missing | {one for process in sent for one in process.ids} - stored.keys()
    return replace(outcome, missing=missing), sent


async def lose_kafka(
    site: Site, *, seconds: float, writers: int = 8, still: Callable[[], bool] = lambda: True
) -> Outcome:
    """Stop Kafka under load for a while, and return when a good deal was taken in again.

    `still` must hold when Kafka comes back.
    """
    log, stop = Log(), asyncio.Event()
    writing = asyncio.create_task(write(site.gateway.url, log, stop, writers=writers, traces=50))
    async with asyncio.timeout(SERVED_SECONDS_MAX):
        await log.until_taken(2000)
    async with _kafka_away(site.broker):
        async with asyncio.timeout(SERVED_SECONDS_MAX):
            await log.until_overloaded()
        await asyncio.sleep(seconds)
        assert still()
    async with asyncio.timeout(RECOVERY_SECONDS_MAX):
        await log.until_taken(2000)
    stop.set()
    await writing
    return Outcome(log, log.taken - (await stored_ids(site.kafka)).keys(), site.gateway.peak_resident_bytes())


@asynccontextmanager
async def _kafka_away(broker: Broker) -> AsyncIterator[None]:
    """Stop the broker in the block; the embedded one, which would forget everything, is only halted."""
    if isinstance(broker, ApacheKafka):
        await broker.kill()
        yield
        await broker.start()
    else:
        broker.process.send_signal(signal.SIGSTOP)
        yield
        broker.process.send_signal(signal.SIGCONT)


@dataclass(frozen=True)
class Overload:
    """What the gateway took of a client that sent as fast as it could, in traces a second, and what of the overload."""

    capacity: float
    offered: float
    greed: Greed


async def overload(site: Site, sdk: WithSdk, *, times: float) -> tuple[Outcome, list[SdkSent], Overload]:
    """Let the real SDK log while another client offers `times` what the gateway takes, and a third one keeps count."""
    capacity = await _capacity(site)
    log, stop = Log(), asyncio.Event()
    async with (
        sdk.logging(site) as processes,
        greedily(
            site.gateway.url,
            traces=OVERLOAD_TRACES,
            per_second=times * capacity / OVERLOAD_TRACES,
            seconds=sdk.seconds,
            connections=_GREEDY_CONNECTIONS,
        ) as greed,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(write(site.gateway.url, log, stop, writers=2, traces=50))
        async with asyncio.timeout(sdk.seconds + GREED_SECONDS_MAX):
            fared = await greed
        stop.set()
        sent = await processes.sent()
    stored = await stored_ids(site.kafka)
    expected = log.taken.union(*(one.ids for one in sent))
    outcome = Outcome(log, expected - stored.keys(), site.gateway.peak_resident_bytes())
    return outcome, sent, Overload(capacity, times * capacity, fared)


async def _capacity(site: Site) -> float:
    """Return how many traces a second the gateway takes of a client that always waits for its answers."""
    clock = SystemClock()
    requests = list(Requests(clock).many(_DISTINCT, OVERLOAD_TRACES))
    began = clock.monotonic()
    async with Clients(site.gateway.url, clock, connections=_PATIENT_CONNECTIONS, workspace="greedy") as clients:
        sending = takewhile(lambda _: clock.monotonic() < began + CAPACITY_SECONDS, cycle(requests))
        answers = await clients.drive(sending)
    return answers.traces_taken / (clock.monotonic() - began)
