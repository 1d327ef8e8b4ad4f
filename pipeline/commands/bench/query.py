"""`threadline bench query`: how long the reads take that people wait for, over HTTP, with a million traces stored."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Final, NamedTuple

import aiohttp
import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.adapters.clock import Clock, SystemClock
from pipeline.adapters.telemetry import logs
from pipeline.commands.bench.archive import Archive, fill, settle
from pipeline.commands.bench.measure import cpu_seconds, percentile
from pipeline.commands.bench.our_gateway import RunningGateway, running_gateway
from pipeline.commands.bench.reads import Reads
from pipeline.commands.bench.storage import Storage, embedded_storage
from pipeline.commands.bench.stream import embedded_broker
from pipeline.commands.bench.streams import Flow, Streams
from pipeline.settings import OperationSettings

TRACES: Final = 1_000_000
QUICK_TRACES: Final = 100_000
RUNS: Final = 30

_WARM_UP_RUNS: Final = 3


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of read: seconds of wall time, and per read rows and ClickHouse's CPU time."""

    p50_s: float
    p95_s: float
    rows_read: float
    cpu_s: float


class Found(NamedTuple):
    """What was measured, by the name of its figures."""

    latencies: Mapping[str, Latency]
    flows: Mapping[str, Flow]


def run(*, as_json: bool, traces: int | None, quick: bool) -> None:
    """Measure and print; raises FatalError for a wrong answer, or where something does not start."""
    logs.configure(OperationSettings(log_level="ERROR"), stage="bench")  # that a query is slow is what is measured
    archive = Archive(traces or (QUICK_TRACES if quick else TRACES))
    found = asyncio.run(measure(archive, SystemClock(), Console(stderr=True)))
    if as_json:
        print(json.dumps(figures(archive, found)))  # noqa: T201
    else:
        Console().print(table(archive, found), flow_table(found))


async def measure(archive: Archive, clock: Clock, console: Console, *, runs: int = RUNS) -> Found:
    """Fill a storage with `archive` and read from it through `threadline serve`; return what each kind of read took."""
    async with embedded_storage() as storage:
        with console.status(f"storing {archive.traces:,} traces"):
            await fill(storage.client, archive)
            await settle(storage.client)
        async with serving(storage, clock) as served, aiohttp.ClientSession() as session:
            found: dict[str, Latency] = {}
            for name, series in Reads(session, served.url, archive).series().items():
                with console.status(name):
                    found[name] = await _latency(series, storage, clock, runs)
            with console.status("long reads"):
                flows = await Streams(session, served, archive, clock).measured()
            return Found(found, flows)


def figures(archive: Archive, found: Found) -> dict[str, float]:
    """Return the figures as `--json` prints them: `search_p95_s` and the like."""
    kinds = {
        f"{name}_{figure}": round(value, 4)
        for name, kind in (*found.latencies.items(), *found.flows.items())
        for figure, value in msgspec.structs.asdict(kind).items()
    }
    return {"traces": archive.traces, "threads": archive.threads} | kinds


def flow_table(found: Found) -> Table:
    """Return the figures of long reads as they are printed otherwise."""
    printed = Table("", "traces", "a second", "memory grown, MiB", title="long reads")
    for name, flow in found.flows.items():
        printed.add_row(name, f"{flow.traces:,}", f"{flow.per_s:,.0f}", f"{flow.grown_mib:.1f}")
    return printed


def table(archive: Archive, found: Found) -> Table:
    """Return the figures of single reads as they are printed otherwise."""
    title = f"reads from {archive.traces:,} traces in {archive.threads:,} threads"
    printed = Table("", "p50 ms", "p95 ms", "rows read", "ClickHouse CPU ms", title=title)
    for name, latency in found.latencies.items():
        printed.add_row(
            name.replace("_", " "),
            f"{latency.p50_s * 1000:.0f}",
            f"{latency.p95_s * 1000:.0f}",
            f"{latency.rows_read:,.0f}",
            f"{latency.cpu_s * 1000:.0f}",
        )
    return printed


@asynccontextmanager
async def serving(storage: Storage, clock: Clock) -> AsyncIterator[RunningGateway]:
    """Run `threadline serve` on `storage`, a process of its own as in production, beside a broker that is idle."""
    more = {
        "THREADLINE_CLICKHOUSE_HOST": storage.settings.host,
        "THREADLINE_CLICKHOUSE_PORT": str(storage.settings.port),
    }
    async with embedded_broker(clock) as kafka, running_gateway(kafka, more=more) as served:
        yield served


async def _latency(
    series: Callable[[], AsyncGenerator[None, None]], storage: Storage, clock: Clock, runs: int
) -> Latency:
    seconds: list[float] = []
    # A series is an async generator; closing it ends the request that it may be in.
    async with aclosing(series()) as reads:
        for _ in range(_WARM_UP_RUNS):
            await anext(reads)
        began_rows, began_cpu = await storage.rows_read(), cpu_seconds(storage.pid)
        for _ in range(runs):
            began_at = clock.monotonic()
            await anext(reads)
            seconds.append(clock.monotonic() - began_at)
        cpu, rows = cpu_seconds(storage.pid) - began_cpu, await storage.rows_read() - began_rows
    return Latency(
        p50_s=percentile(seconds, 0.5), p95_s=percentile(seconds, 0.95), rows_read=rows / runs, cpu_s=cpu / runs
    )
