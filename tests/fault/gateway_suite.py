"""What a gateway process does with hostile clients, with a Kafka that is away, and with more than it can take."""

import asyncio
import io
import json
import os
import resource
import signal
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.commands.bench.our_gateway import RunningGateway, running_gateway
from pipeline.local.broker import EmbeddedBroker
from pipeline.settings import KafkaSettings
from pipeline.topics import TRACES
from tests.apache_kafka.broker import ApacheKafka
from tests.fault.gateway_load import BATCH, Log, batch_of, fresh_ids, post, write
from tests.fault.hostile_clients import BODY_BEGUN, HEAD_BEGUN, SILENT, bomb, dribble, held, send_endless
from tests.support.client_env import QUIET

MEMORY_BYTES_MAX: Final = 500 * 1000 * 1000
PARTITIONS: Final = 4
SERVED_SECONDS_MAX: Final = 120.0
RECOVERY_SECONDS_MAX: Final = 120.0
SDK_SECONDS_MAX: Final = 300.0
BATCHES_MEANWHILE: Final = 20
_SDK: Final = Path(__file__).with_name("sdk_sender.py")

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


async def lose_kafka(site: Site, *, seconds: float, writers: int = 8) -> Outcome:
    """Stop Kafka under load for a while, and return when a good deal was taken in again."""
    log, stop = Log(), asyncio.Event()
    writing = asyncio.create_task(write(site.gateway.url, log, stop, writers=writers, traces=50))
    async with asyncio.timeout(SERVED_SECONDS_MAX):
        await log.until_taken(2000)
    async with _kafka_away(site.broker):
        async with asyncio.timeout(SERVED_SECONDS_MAX):
            await log.until_overloaded()
        await asyncio.sleep(seconds)
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
class SdkSent:
    """What one process of the real SDK says: the traces that it reported as sent, and whether all were."""

    ids: list[str]
    is_flushed: bool


async def overload(
    site: Site, sdk: Path, *, processes: int, traces: int, writers: int
) -> tuple[Outcome, list[SdkSent]]:
    """Let the real SDK log beside writers that alone are more than the gateway takes."""
    log, stop = Log(), asyncio.Event()
    writing = asyncio.create_task(write(site.gateway.url, log, stop, writers=writers, traces=200, trace_bytes=500))
    async with asyncio.timeout(SERVED_SECONDS_MAX):
        await log.until_overloaded()
    sent = await asyncio.gather(*(_sdk_process(site, sdk, traces) for _ in range(processes)))
    stop.set()
    await writing
    stored = await stored_ids(site.kafka)
    expected = log.taken.union(*(one.ids for one in sent))
    return Outcome(log, expected - stored.keys(), site.gateway.peak_resident_bytes()), list(sent)


async def _sdk_process(site: Site, python: Path, traces: int) -> SdkSent:
    environment = {**os.environ, **QUIET, "OPIK_URL_OVERRIDE": f"{site.gateway.url}/api/"}
    process = await asyncio.create_subprocess_exec(
        str(python), str(_SDK), str(traces), env=environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), SDK_SECONDS_MAX)
    assert process.returncode == 0
    found = json.loads(said.splitlines()[-1])
    return SdkSent(found["ids"], found["is_flushed"])
