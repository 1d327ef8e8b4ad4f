"""`threadline bench stream`: the stage of sessions beside the bare client and beside Faust as its guide teaches it."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from pipeline.adapters.clock import Clock, SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.commands.bench.contender import run_contender
from pipeline.commands.bench.load import Load, mixed_records, publish
from pipeline.commands.bench.measure import Throughput
from pipeline.commands.bench.open_threads import OpenThreads, hold_open
from pipeline.commands.bench.our_stage import apply_log
from pipeline.commands.bench.peers import run_bytewax
from pipeline.local.broker import EmbeddedBroker
from pipeline.local.process import free_port
from pipeline.settings import KafkaSettings

THREADS: Final = 1_000_000
PARTITIONS: Final = 4

_SECONDS_MAX: Final = 300.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. Stock Faust is so slow that it reads only the first `stock_events` of the log."""

    load: Load
    stock_events: int
    threads: int
    idle_seconds: float = 10.0


FULL: Final = Plan(Load(events=500_000, threads=20_000), stock_events=100_000, threads=THREADS)
QUICK: Final = Plan(Load(events=200_000, threads=20_000), stock_events=40_000, threads=100_000, idle_seconds=5.0)


@dataclass(frozen=True, slots=True)
class Contenders:
    """What each contender did on the same topic."""

    bound: Throughput
    stock: Throughput
    ours: Throughput
    bytewax: Throughput | None = None


def run(*, as_json: bool, threads: int | None, quick: bool, peers: bool) -> None:
    """Measure and print; raises FatalError where something does not come to its end."""
    plan = QUICK if quick else FULL
    if threads is not None:
        plan = Plan(plan.load, plan.stock_events, threads, plan.idle_seconds)
    contenders, held = asyncio.run(_measure(plan, SystemClock(), Console(stderr=True), peers=peers))
    if as_json:
        print(json.dumps(figures(contenders, held)))  # noqa: T201
    else:
        for table in tables(contenders, held):
            Console().print(table)


async def compare(plan: Plan, clock: Clock, console: Console, *, peers: bool = False) -> Contenders:
    """Run the contenders, one after another, on the same topic."""
    async with embedded_broker(clock) as kafka:
        with console.status("filling the topic"):
            await publish(kafka, mixed_records(plan.load, clock))
        with console.status("bare client"):
            bound = await _contend("bare_client", kafka, plan.load.events)
        with console.status("Faust as its guide teaches it"), tempfile.TemporaryDirectory() as folder:
            stock = await _contend("stock_faust", kafka, plan.stock_events, folder)
        bytewax = None
        if peers:
            with console.status("Bytewax"):
                bytewax = await run_bytewax(kafka.bootstrap, plan.load.events, seconds_max=_SECONDS_MAX)
        with console.status("our stage"):
            # Last, since it writes into the topic what the others would read, too.
            ours = await apply_log(kafka, plan.load.events, clock, seconds_max=_SECONDS_MAX)
    return Contenders(bound, stock, ours, bytewax)


def figures(contenders: Contenders, held: OpenThreads) -> dict[str, float]:
    """Return the figures as `--json` prints them."""
    found: dict[str, float] = {}
    for name in Contenders.__slots__:
        throughput: Throughput | None = getattr(contenders, name)
        if throughput is None:
            continue
        found[f"{name}_events"] = throughput.events
        found[f"{name}_events_per_s"] = round(throughput.events_per_s, 1)
        found[f"{name}_cpu_us_per_event"] = round(throughput.cpu_us_per_event, 2)
    found |= {name: round(float(getattr(held, name)), 4) for name in held.__struct_fields__}
    return found


def tables(contenders: Contenders, held: OpenThreads) -> tuple[Table, Table]:
    """Return the figures as they are printed otherwise."""
    return _contenders_table(contenders), _held_table(held)


@asynccontextmanager
async def embedded_broker(clock: Clock) -> AsyncIterator[KafkaSettings]:
    """Run a broker of its own, which gives its memory back only when it ends."""
    broker = EmbeddedBroker(free_port())
    await broker.start()
    kafka = KafkaSettings(
        bootstrap=broker.bootstrap,
        partitions=PARTITIONS,
        last_record_alone=True,
        session_timeout_ms=3000,
        heartbeat_interval_ms=500,
    )
    try:
        await ensure_topics(kafka, clock)
        yield kafka
    finally:
        await broker.stop()


async def _measure(plan: Plan, clock: Clock, console: Console, *, peers: bool) -> tuple[Contenders, OpenThreads]:
    contenders = await compare(plan, clock, console, peers=peers)
    async with embedded_broker(clock) as kafka:
        with console.status(f"{plan.threads:,} open threads"):
            held = await hold_open(kafka, plan.threads, clock, idle_seconds=plan.idle_seconds)
    return contenders, held


async def _contend(name: str, kafka: KafkaSettings, events: int, *more: str) -> Throughput:
    module = f"{__package__}.{name}"
    return await run_contender(
        module, kafka.bootstrap, str(kafka.partitions), str(events), *more, seconds_max=_SECONDS_MAX
    )


def _contenders_table(contenders: Contenders) -> Table:
    table = Table("", "events", "events/s", "to the bound", "CPU µs/event", "to the bound", title="stream")
    bound = contenders.bound
    names = {"bare client + orjson": bound, "Faust, stock": contenders.stock, "threadline worker": contenders.ours}
    if contenders.bytewax is not None:
        names["Bytewax sessions"] = contenders.bytewax
    for name, found in names.items():
        table.add_row(
            name,
            f"{found.events:,}",
            f"{found.events_per_s:,.0f}",
            f"{found.events_per_s / bound.events_per_s:.2f}",
            f"{found.cpu_us_per_event:.1f}",
            f"{found.cpu_us_per_event / bound.cpu_us_per_event:.1f}",
        )
    return table


def _held_table(held: OpenThreads) -> Table:
    table = Table("figure", "value", title=f"{held.threads:,} open threads")
    for name in held.__struct_fields__[1:]:
        table.add_row(name, f"{getattr(held, name):,.3f}")
    return table
