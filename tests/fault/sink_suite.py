"""Sinks on Apache Kafka and the embedded ClickHouse, the worst traffic, and one fault after the other."""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

from aiokafka.admin import AIOKafkaAdminClient

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.local.process import ChildProcess
from pipeline.topics import SPANS, TRACES
from tests.apache_kafka.broker import ApacheKafka
from tests.fault.proxy import Proxy
from tests.fault.sink_traffic import Traffic
from tests.fault.sink_verdict import Log, faults_of
from tests.support.installation import Installation, running
from tests.support.waiting import eventually

SinkFault = Literal[
    "killed between insert and commit", "answer lost", "storage killed", "answers late", "rebalance", "large rows",
    "poison alone", "poison first", "poison last", "poison every second", "topic made anew",
]  # fmt: skip
KINDS: Final[tuple[SinkFault, ...]] = get_args(SinkFault)

REQUEST_SECONDS: Final = 6.0  # enough for large rows, and for a busy machine
FAULT_SECONDS_MAX: Final = 120.0
TRACES_PER_FAULT: Final = 150
SETTINGS: Final = {
    "batch_rows_max": 120,  # small, so that faults meet inserts, folds and commits
    "dead_letter_share_max": 1,
    "retry_seconds_max": 0.5,
    "newer_schema_retry_seconds": 0.5,
}


def drawn(seed: int) -> Iterator[SinkFault]:
    """Yield faults without end, each kind once before any comes again."""
    chance = random.Random(seed)
    while True:
        kinds = list(KINDS)
        chance.shuffle(kinds)
        yield from kinds


@dataclass
class SinkRun:
    """What happened, and what is wrong in the end."""

    happened: Counter[str] = field(default_factory=Counter)
    events: int = 0
    poison: int = 0
    wrong: list[str] = field(default_factory=list)


class Scene:
    """One installation, with a sink that is kept running."""

    def __init__(self, installation: Installation, proxy: Proxy, seed: int) -> None:
        self.installation: Final = installation
        self.proxy: Final = proxy
        self.traffic: Final = Traffic(seed)
        self.traces: Final = Log(TRACES)
        self.spans: Final = Log(SPANS)
        self._sink: ChildProcess | None = None

    async def start_sink(self, name: str = "a") -> ChildProcess:
        """Start a static member: it has its partitions back at once when it is started again."""
        environment = self.installation.environment({**SETTINGS, "instance_id": name}) | {
            "THREADLINE_CLICKHOUSE_PORT": str(self.proxy.port),
            "THREADLINE_CLICKHOUSE_REQUEST_TIMEOUT_SECONDS": str(REQUEST_SECONDS),
        }
        ready = asyncio.Event()

        def on_line(line: str) -> None:
            if '"event": "ready"' in line:
                ready.set()

        argv = [sys.executable, "-m", "pipeline", "sink"]
        sink = await ChildProcess.start(argv, env=environment, on_line=on_line)
        async with asyncio.timeout(FAULT_SECONDS_MAX):
            await ready.wait()  # before that a signal to stop would just end it
        return sink

    async def keep_sink(self) -> ChildProcess:
        """Return the sink; where it has ended, another one."""
        if self._sink is None or self._sink.returncode is not None:
            self._sink = await self.start_sink()
        return self._sink

    async def send(self, *, large: int = 0) -> None:
        for topic, records in self.traffic.slice(TRACES_PER_FAULT, large=large):
            await self.installation.publish(topic, records)

    async def happen(self, kind: SinkFault) -> None:
        """Let a fault meet what is being stored."""
        sink = await self.keep_sink()
        match kind:
            case "killed between insert and commit":
                answered = asyncio.create_task(self.proxy.lose_answer())
                await self.send()
                await answered
                await sink.kill()
            case "answer lost":
                answered = asyncio.create_task(self.proxy.lose_answer())
                await self.send()
                await answered
            case "storage killed":
                await self.send()
                await self.installation.clickhouse.kill()
                await self.send()
                await self.installation.clickhouse.start()
            case "answers late":
                self.proxy.delay_seconds = REQUEST_SECONDS * 1.5
                answered = asyncio.create_task(self.proxy.next_late())
                await self.send()
                await answered
                self.proxy.delay_seconds = 0.0
            case "rebalance":
                await self._rebalance()
            case "large rows":
                await self.send(large=3)
            case "topic made anew":
                await self._make_anew()
            case _:
                records = self.traffic.poisoned(kind.removeprefix("poison "))
                await self.installation.publish(TRACES, records)
        await self.keep_sink()

    async def _rebalance(self) -> None:
        second = await self.start_sink("b")
        for _ in range(5):
            await self.send()
        assert await second.terminate(60) == 0, second.tail

    async def _make_anew(self) -> None:
        """Delete the topic of spans when all of it is stored, and make it again: its offsets begin at 0 again."""
        await self.installation.stored()
        await self.spans.read(self.installation)
        sink = await self.keep_sink()
        assert await sink.terminate(60) == 0, sink.tail
        admin = AIOKafkaAdminClient(bootstrap_servers=self.installation.kafka.bootstrap)
        await admin.start()
        await admin.delete_topics([SPANS.name])

        async def gone() -> bool:
            return SPANS.name not in await admin.list_topics()

        await eventually(gone, bool, seconds_max=FAULT_SECONDS_MAX)
        await admin.close()
        await ensure_topics(self.installation.kafka, SystemClock())
        await self.send()

    async def judge(self) -> list[str]:
        """Wait until everything is stored, and return what is wrong."""
        sink = await self.keep_sink()
        try:
            await self.installation.stored()
        except AssertionError as error:
            error.add_note(f"the sink says:\n{sink.tail}")
            raise
        await self.traces.read(self.installation)
        await self.spans.read(self.installation)
        return await faults_of(self.installation, self.traces, self.spans)

    async def end(self) -> None:
        if self._sink is not None:
            await self._sink.kill()


async def run(folder: Path, seed: int, faults: int) -> SinkRun:
    """Let so many faults happen, then let the sink finish, and judge."""
    done = SinkRun()
    async with running(Installation(folder, ApacheKafka(folder / "kafka"))) as installation:
        proxy = Proxy(installation.clickhouse.settings.port)
        await proxy.start()
        scene = Scene(installation, proxy, seed)
        try:
            kinds = drawn(seed)
            for _ in range(faults):
                kind = next(kinds)
                async with asyncio.timeout(FAULT_SECONDS_MAX):
                    await scene.happen(kind)
                done.happened[kind] += 1
            done.wrong = await scene.judge()
            done.events, done.poison = len(scene.traces.events) + len(scene.spans.events), scene.traces.poison.total()
        finally:
            await scene.end()
            await proxy.stop()
    return done
