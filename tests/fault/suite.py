"""Workers on Apache Kafka, traffic, and one fault after the other."""

import asyncio
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, islice, takewhile
from pathlib import Path
from typing import Final

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.kafka.offsets import read_bounds
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.errors import BrokerUnavailable
from pipeline.settings import TIMEOUT_VARIABLE, KafkaSettings
from pipeline.topics import STREAM_GROUP, TRACES
from tests.apache_kafka.broker import ApacheKafka
from tests.fault.crew import Crew
from tests.fault.schedule import Fault, Times
from tests.fault.traffic import Traffic
from tests.fault.verdict import Verdict, judge
from tests.support.broken_rules import Rule

logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # says each time that a stopped broker is away

PARTITIONS: Final = 6
THREADS: Final = 3000
WORKERS_AT_FIRST: Final = 2
LOOK_SECONDS: Final = 1.0  # longer than ticks are apart
EXAMPLES_MAX: Final = 5
FENCED_LINE: Final = "partition given up"


@dataclass
class Run:
    """What happened, and what it came to."""

    faults: Counter[str] = field(default_factory=Counter)
    workers: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    is_drained: bool = False
    verdict: Verdict = field(default_factory=Verdict)

    def __str__(self) -> str:
        rows = {
            "faults": f"{self.faults.total()} ({_listed(self.faults)})",
            "workers": _listed(self.workers),
            "sent": _listed(self.sent),
            "everything committed in the end": str(self.is_drained),
            **{name: f"{count:,}" for name, count in self.verdict.table().items()},
        }
        width = max(map(len, rows))
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


async def run(
    folder: Path,
    faults: Iterator[Fault],
    times: Times,
    *,
    seed: int,
    seconds: float,
    rate: int,
    env: Mapping[str, str] | None = None,
    rule: Rule | None = None,
) -> Run:
    """Let faults happen for `seconds`, or until there are no more of them; then let the workers finish, and judge.

    `env` is added to that of workers; `rule` is broken in all of them.
    """
    broker = ApacheKafka(folder / "kafka")
    await broker.start()
    kafka = KafkaSettings(
        bootstrap=broker.bootstrap,
        partitions=PARTITIONS,
        session_timeout_ms=times.session * 1000,
        heartbeat_interval_ms=1000,
    )
    crew = Crew({**_environment(kafka, times), **(env or {})}, rule)
    happened = Run()
    try:
        await ensure_topics(kafka, SystemClock())
        async with EventProducer(kafka, client_id="traffic") as producer:
            traffic = Traffic(producer, seed=seed, rate=rate, threads=THREADS)
            for _ in range(WORKERS_AT_FIRST):
                crew.join()
            sending = asyncio.create_task(traffic.run())
            until = time.monotonic() + seconds
            for fault in takewhile(lambda _: time.monotonic() < until, faults):
                await _happen(fault, broker, crew, traffic, happened.faults)
            sending.cancel()
            await asyncio.wait({sending})
        happened.is_drained = await drained(kafka, times)
        await crew.leave_all()
        happened.verdict = await judge(kafka)
    finally:
        _keep_lines(folder, crew)
        await crew.kill_all()
        await broker.kill()
    assert crew.failures() == []
    happened.workers, happened.sent = crew.counts, traffic.sent
    happened.workers["partitions fenced"] = sum(FENCED_LINE in line for lines in crew.lines for line in lines)
    _show(happened, folder)
    return happened


async def _happen(fault: Fault, broker: ApacheKafka, crew: Crew, traffic: Traffic, counts: Counter[str]) -> None:
    await asyncio.sleep(fault.rest_seconds)
    counts[fault.kind] += 1
    match fault.kind:
        case "kill":
            await crew.kill(fault.choice, fault.seconds)
        case "kill between steps":
            await crew.kill_between_steps(fault.seconds)
        case "pause":
            await crew.pause(fault.choice, fault.seconds)
        case "join":
            crew.join()
        case "leave":
            await crew.leave(fault.choice)
        case "broker":
            await (broker.stop() if fault.choice < 0.5 else broker.kill())
            await asyncio.sleep(fault.seconds)
            await broker.start()
        case "all off":
            await crew.leave_all()
            await asyncio.sleep(fault.seconds)
            for _ in range(WORKERS_AT_FIRST):
                crew.join()
        case "silence":
            traffic.flows.clear()
            await asyncio.sleep(fault.seconds)
            traffic.flows.set()


async def drained(kafka: KafkaSettings, times: Times) -> bool:
    """Wait until every session has ended and all is committed: then nobody writes ticks any more."""
    until = time.monotonic() + times.drain_max
    ends: list[int] = []
    while time.monotonic() < until:
        try:
            bounds = (await read_bounds(kafka, [TRACES], STREAM_GROUP))[TRACES.name]
        except BrokerUnavailable:
            continue
        before, ends = ends, [bound.end for bound in bounds]
        if ends == before and all(bound.committed >= bound.end for bound in bounds):
            return True
        await asyncio.sleep(LOOK_SECONDS)
    return False


def _environment(kafka: KafkaSettings, times: Times) -> Mapping[str, str]:
    names = ("bootstrap", "partitions", "session_timeout_ms", "heartbeat_interval_ms")
    return {
        **{f"THREADLINE_KAFKA_{name.upper()}": str(getattr(kafka, name)) for name in names},
        TIMEOUT_VARIABLE: f"{times.thread_timeout}s",
        "THREADLINE_STREAM_STALL_SECONDS_MAX": "30",
        "THREADLINE_OPERATION_PORT": "0",
    }


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))


def _keep_lines(folder: Path, crew: Crew) -> None:
    """Keep what each worker said, for whoever looks into a failure."""
    for number, lines in enumerate(crew.lines):
        (folder / f"worker-{number}.log").write_text("\n".join(lines))


def _show(happened: Run, folder: Path) -> None:
    """Write the table; and, where something is wrong, examples of it: all of them into a file beside the logs."""
    out = ["", str(happened)]
    if not (happened.verdict.is_exact and happened.is_drained):
        examples = sorted(happened.verdict.examples)
        (folder / "examples.txt").write_text("\n".join(examples))
        by_kind = groupby(examples, key=lambda example: example.split(":")[0])
        out += [example for _, share in by_kind for example in islice(share, EXAMPLES_MAX)]
        out += [f"what the workers said is in {folder}"]
    sys.stdout.write("\n".join([*out, ""]))
