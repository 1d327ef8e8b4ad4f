"""`threadline bench sink`: the sink beside ClickHouse's own ceiling and beside the least that stores a topic.

All store the same topic in the same tables, emptied in between, in inserts and folds of the same sizes (`bare_sink`),
and none finds ClickHouse cold. The time of each ends when all is stored and folded; that of ours when it is committed,
too, and it writes controls, counts what it inserted and watches its lag meanwhile. The ceiling has its rows ready in
a file and pays for no broker; it never waits, since it inserts and folds beside each other, as our sink does. The two
bare consumers do one thing after another.

They run one after another, so a neighbour that is busy during one of them bends the rates; it bends CPU time less. What
the sink costs is all CPU, its own and ClickHouse's, above that of the ceiling. Its memory is the highest that it ever
has, with large events between others at the end.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock, SystemClock
from pipeline.adapters.kafka.offsets import read_bounds
from pipeline.commands.bench.contender import run_contender, run_process
from pipeline.commands.bench.load import Load, mixed_records, publish
from pipeline.commands.bench.measure import Throughput, cpu_seconds, metric_of, peak_resident_bytes
from pipeline.commands.bench.our_stage import POLL_SECONDS, Worker, environment_of, running_stage, within
from pipeline.commands.bench.sink_steps import Steps
from pipeline.commands.bench.storage import Storage, embedded_storage
from pipeline.commands.bench.stream import embedded_broker
from pipeline.events.envelope import Record
from pipeline.settings import KafkaSettings
from pipeline.sinks.routes import TRACE_EVENTS
from pipeline.sinks.thread_fold import OF_THREADS
from pipeline.topics import SINKS_GROUP, TRACES

EVENT_BYTES: Final = 1200
LARGE_BYTES: Final = 20 * 1024 * 1024
ROWS: Final = "threadline_sinks_rows_written_total"
CONTENDERS: Final = ("ceiling", "columns", "joined")
_MODULE: Final = f"{__package__}.bare_sink"
_STEPS_MODULE: Final = f"{__package__}.sink_steps"
_STEPS: Final = {"insert": "threadline_sinks_flush_seconds_sum", "fold": "threadline_sinks_fold_seconds_sum"}
_TABLES: Final = (
    "trace_events", "trace_fields", "traces", "thread_traces", *OF_THREADS, "thread_sessions", "projects",
    "controls",
)  # fmt: skip
_SECONDS_MAX: Final = 600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is stored: `load`, and so many large events to see the memory by; how many rows are folded together.

    With few inserts chance would say how many of them share a fold, and that is much of the cost: then each is folded
    alone, by all contenders (`fold_rows_max=1`).
    """

    load: Load
    large_events: int
    fold_rows_max: int


FULL: Final = Plan(Load(events=500_000, threads=20_000, event_bytes=EVENT_BYTES), 20, fold_rows_max=100_000)
QUICK: Final = Plan(Load(events=100_000, threads=5_000, event_bytes=EVENT_BYTES), large_events=6, fold_rows_max=1)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What each contender did; `storage_cpu_seconds` is ClickHouse's, by contender.

    Of our sink `step_seconds` is how long it waited for inserts, and for folds beside them, `rss_bytes` its memory, and
    `steps` what its own process does for a row.
    """

    ceiling: Throughput
    columns: Throughput
    joined: Throughput
    ours: Throughput
    storage_cpu_seconds: dict[str, float]
    step_seconds: dict[str, float]
    steps: Steps
    rss_bytes: int

    def cpu_us(self, name: str) -> float:
        """Microseconds of CPU a row, the contender's own and ClickHouse's."""
        throughput: Throughput = getattr(self, name)
        return throughput.cpu_us_per_event + self.storage_cpu_seconds[name] * 1e6 / throughput.events


def run(*, as_json: bool, quick: bool) -> None:
    """Measure and print; raises FatalError where something does not come to its end."""
    found = asyncio.run(measure(QUICK if quick else FULL, SystemClock(), Console(stderr=True)))
    if as_json:
        print(json.dumps(figures(found)))  # noqa: T201
    else:
        Console().print(table(found))


async def measure(plan: Plan, clock: Clock, console: Console) -> Found:
    """Run the contenders, one after another, on the same topic and tables."""
    found: dict[str, Throughput] = {}
    cpu: dict[str, float] = {}
    async with embedded_broker(clock) as kafka, embedded_storage() as storage:
        with console.status("filling the topic"):
            await publish(kafka, mixed_records(plan.load, clock))
        with tempfile.TemporaryDirectory(prefix="threadline-bench-") as folder:
            file = Path(folder) / "rows"
            arguments = (str(storage.settings.port), str(file), str(plan.fold_rows_max))
            await _contend("prepare", kafka, *arguments)
            await _empty(storage.client)
            for how in CONTENDERS:
                with console.status(how):
                    began = cpu_seconds(storage.pid)
                    found[how] = await _contend(how, kafka, *arguments)
                    cpu[how] = cpu_seconds(storage.pid) - began
                    await _empty(storage.client)
        with console.status("the steps of threadline sink"):
            steps = await _steps(kafka, storage)
            await _empty(storage.client)
        with console.status("threadline sink"):
            async with running_stage("sink", _environment(kafka, storage, plan)) as sink:
                began = cpu_seconds(storage.pid)
                found["ours"] = await _store(sink, kafka, plan.load.events, clock)
                cpu["ours"] = cpu_seconds(storage.pid) - began
                said = await sink.metrics()
                waits = {step: metric_of(said, name, table=TRACE_EVENTS.name) for step, name in _STEPS.items()}
                rss_bytes = await _highest_memory(sink, kafka, plan, clock)
    return Found(**found, storage_cpu_seconds=cpu, step_seconds=waits, steps=steps, rss_bytes=rss_bytes)


def figures(found: Found) -> dict[str, float]:
    """Return the figures as `--json` prints them."""
    printed: dict[str, float] = {"rows": found.ours.events}
    for name in (*CONTENDERS, "ours"):
        throughput: Throughput = getattr(found, name)
        printed[f"{name}_rows_per_s"] = round(throughput.events_per_s, 1)
        printed[f"{name}_cpu_us_per_row"] = round(throughput.cpu_us_per_event, 2)
        printed[f"{name}_storage_cpu_us_per_row"] = round(found.storage_cpu_seconds[name] * 1e6 / throughput.events, 2)
        if name != "ceiling":
            printed[f"{name}_cpu_above_ceiling_us_per_row"] = round(found.cpu_us(name) - found.cpu_us("ceiling"), 2)
    for step, seconds in found.step_seconds.items():
        printed[f"ours_{step}_us_per_row"] = round(seconds * 1e6 / found.ours.events, 2)
    for step in found.steps.cpu_seconds:
        printed[f"ours_{step}_cpu_us_per_row"] = round(found.steps.cpu_us(step), 2)
    return printed | {"rss_mb": round(found.rss_bytes / 1e6, 1)}


def table(found: Found) -> Table:
    """Return the figures as they are printed otherwise."""
    printed = Table("", "rows/s", "to the ceiling", "CPU µs/row", "ClickHouse's", "above the ceiling", title="sink")
    names = {
        "ceiling": "ClickHouse, from a file", "columns": "bare consumer, columns", "joined": "bare consumer, joined",
        "ours": "threadline sink",
    }  # fmt: skip
    numbers = figures(found)
    for name, title in names.items():
        printed.add_row(
            title,
            f"{numbers[f'{name}_rows_per_s']:,.0f}",
            f"{numbers[f'{name}_rows_per_s'] / numbers['ceiling_rows_per_s']:.2f}",
            f"{numbers[f'{name}_cpu_us_per_row']:.1f}",
            f"{numbers[f'{name}_storage_cpu_us_per_row']:.1f}",
            f"{numbers.get(f'{name}_cpu_above_ceiling_us_per_row', 0.0):.1f}",
        )
    printed.caption = (
        f"threadline sink waits {numbers['ours_insert_us_per_row']:.1f} µs/row for inserts, and beside them"
        f" {numbers['ours_fold_us_per_row']:.1f} for folds; with large events its highest memory is"
        f" {numbers['rss_mb']:.0f} MB. By themselves its steps take, in µs of CPU a row: "
        + ", ".join(f"{step} {found.steps.cpu_us(step):.1f}" for step in found.steps.cpu_seconds)
    )
    return printed


async def _contend(how: str, kafka: KafkaSettings, *more: str) -> Throughput:
    return await run_contender(_MODULE, how, kafka.bootstrap, str(kafka.partitions), *more, seconds_max=_SECONDS_MAX)


async def _steps(kafka: KafkaSettings, storage: Storage) -> Steps:
    arguments = (kafka.bootstrap, str(kafka.partitions), str(storage.settings.port))
    return await run_process([sys.executable, "-m", _STEPS_MODULE, *arguments], Steps, seconds_max=_SECONDS_MAX)


async def _empty(client: ClickHouse) -> None:
    for name in _TABLES:
        await client.command("TRUNCATE TABLE {name:Identifier}", {"name": name})


async def _store(sink: Worker, kafka: KafkaSettings, events: int, clock: Clock) -> Throughput:
    """Return what it took from the last look at which nothing was stored or read until all of it is committed."""
    async with within(_SECONDS_MAX, "the topic to be stored"):
        while True:
            began_at, began_cpu = clock.monotonic(), cpu_seconds(sink.pid)
            if metric_of(await sink.metrics(), "threadline_sinks_records_total"):
                break
            await asyncio.sleep(POLL_SECONDS)
        await _until_committed(sink, kafka, events)
    return Throughput(
        events=events, seconds=clock.monotonic() - began_at, cpu_seconds=cpu_seconds(sink.pid) - began_cpu
    )


async def _until_committed(sink: Worker, kafka: KafkaSettings, rows: int) -> None:
    await sink.wait_for(ROWS, rows, seconds_max=_SECONDS_MAX)
    while True:
        bounds = (await read_bounds(kafka, [TRACES], SINKS_GROUP))[TRACES.name]
        if all(bound.committed >= bound.end for bound in bounds):
            return
        await asyncio.sleep(POLL_SECONDS)


async def _highest_memory(sink: Worker, kafka: KafkaSettings, plan: Plan, clock: Clock) -> int:
    """Publish large events among others, and return the highest memory until they are stored."""
    more = Load(plan.load.events // 10, plan.load.threads, seed=2, event_bytes=EVENT_BYTES)
    large = Load(plan.large_events, plan.large_events, seed=3, event_bytes=LARGE_BYTES)
    others = mixed_records(more, clock)
    async with within(_SECONDS_MAX, "large events to be stored"):
        for record in mixed_records(large, clock):
            await publish(kafka, islice(others, more.events // large.events))
            await publish(kafka, _one(record))
        await publish(kafka, others)
        await _until_committed(sink, kafka, plan.load.events + more.events + large.events)
    return peak_resident_bytes(sink.pid)


def _one(record: Record) -> Iterator[Record]:
    yield record


def _environment(kafka: KafkaSettings, storage: Storage, plan: Plan) -> dict[str, str]:
    return {
        **environment_of(kafka),
        "THREADLINE_CLICKHOUSE_PORT": str(storage.settings.port),
        "THREADLINE_SINKS_FOLD_ROWS_MAX": str(plan.fold_rows_max),
    }
