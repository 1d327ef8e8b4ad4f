"""`threadline bench e2e`: everything on this machine, from a request to a row that can be read.

The whole stack runs as `threadline dev` runs it, with the load generator beside it on the same cores. Requests of 1,000
traces are due at a steady rate; a trace's time runs from when it was due, so that a stack that falls behind cannot hide
it. The rate found is that of the whole run, until the last trace was readable. CPU time by stage says what to improve
next; the load generator's own leaves out making the requests, which happens before.
"""

import asyncio
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock, SystemClock
from pipeline.commands.bench.arrivals import Arrivals
from pipeline.commands.bench.http_load import Clients
from pipeline.commands.bench.load import WORKSPACE
from pipeline.commands.bench.measure import cpu_seconds, own_cpu_seconds, percentile, resident_bytes
from pipeline.commands.bench.our_stage import POLL_SECONDS, within
from pipeline.commands.bench.requests import Request, Requests
from pipeline.errors import FatalError
from pipeline.local.stack import Stack
from pipeline.sinks.reconciliation import Balance, balance_all
from pipeline.topics import TRACES

REQUEST_TRACES: Final = 1000
LOAD: Final = "load"
"""The load generator, among the stages."""

OVERLOADED: Final = 429
_CONNECTIONS: Final = 16
_ARRIVAL_SECONDS_MAX: Final = 120.0
_SETTLE_SECONDS_MAX: Final = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """So many traces a second, for so long."""

    traces_per_second: int
    seconds: int

    @property
    def requests(self) -> int:
        """How many requests that is."""
        return self.traces_per_second * self.seconds // REQUEST_TRACES


FULL: Final = Plan(traces_per_second=8300, seconds=60)
QUICK: Final = Plan(traces_per_second=8300, seconds=20)
"""The rate found is a little less than what is offered: it counts the seconds until the last trace is readable."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; CPU seconds and memory are by process."""

    traces: int
    seconds: float
    latency_p50_s: float
    latency_p99_s: float
    overloads: int
    gap: int
    cpu_seconds: dict[str, float]
    rss_bytes: dict[str, int]


def run(*, as_json: bool, quick: bool, traces_per_second: int | None) -> None:
    """Measure and print; raises FatalError where something does not come to its end."""
    plan = QUICK if quick else FULL
    if traces_per_second is not None:
        plan = Plan(traces_per_second, plan.seconds)
    found = asyncio.run(measure(plan, SystemClock(), Console(stderr=True)))
    if as_json:
        print(json.dumps(figures(found)))  # noqa: T201
    else:
        Console().print(table(found))


async def measure(plan: Plan, clock: Clock, console: Console) -> Found:
    """Run the stack on free ports and a temporary folder, and send it what `plan` says."""
    with console.status("making requests"):
        requests = list(Requests(clock).many(plan.requests, REQUEST_TRACES))
    with tempfile.TemporaryDirectory(prefix="threadline-bench-", ignore_cleanup_errors=True) as folder:
        stack = Stack(Path(folder), port=0, thread_timeout=None, on_line=lambda _name, _line: None)
        try:
            with console.status("starting the stack"):
                await stack.start()
            async with ClickHouse(stack.clickhouse) as client:
                with console.status(f"{plan.traces_per_second:,} traces a second for {plan.seconds} s"):
                    return await _measure(plan, requests, stack, client, clock)
        finally:
            await stack.stop()


def figures(found: Found) -> dict[str, float]:
    """Return the figures as `--json` prints them."""
    printed: dict[str, float] = {
        "traces": found.traces,
        "traces_per_s": round(found.traces / found.seconds, 1),
        "latency_p50_s": round(found.latency_p50_s, 3),
        "latency_p99_s": round(found.latency_p99_s, 3),
        "gap": found.gap,
        "overloads": found.overloads,
    }
    for name, seconds in found.cpu_seconds.items():
        printed[f"{name}_cpu_us_per_trace"] = round(seconds * 1e6 / found.traces, 2)
    return printed | {f"{name}_rss_mb": round(held / 1e6, 1) for name, held in found.rss_bytes.items()}


def table(found: Found) -> Table:
    """Return the figures as they are printed otherwise."""
    numbers = figures(found)
    printed = Table("", "CPU µs/trace", "of all", "memory MB", title="end to end, on one machine")
    whole = sum(found.cpu_seconds.values())
    for name, seconds in sorted(found.cpu_seconds.items(), key=lambda one: -one[1]):
        held = found.rss_bytes.get(name)
        printed.add_row(
            name,
            f"{numbers[f'{name}_cpu_us_per_trace']:.1f}",
            f"{seconds / whole:.0%}",
            "" if held is None else f"{held / 1e6:,.0f}",
        )
    printed.caption = (
        f"{numbers['traces_per_s']:,.0f} traces/s, readable after p50 {found.latency_p50_s:.2f} s, "
        f"p99 {found.latency_p99_s:.2f} s; gap {found.gap}; {found.overloads} answers of 429"
    )
    return printed


async def _measure(plan: Plan, requests: list[Request], stack: Stack, client: ClickHouse, clock: Clock) -> Found:
    arrivals = Arrivals(client, clock, workspace=WORKSPACE)
    before, own_before, began_at = _cpu_of(stack), own_cpu_seconds(), clock.monotonic()
    watching = asyncio.create_task(arrivals.watch())
    failing = asyncio.create_task(stack.first_failure())
    try:
        async with Clients(stack.base_url, clock, connections=_CONNECTIONS, workspace=WORKSPACE) as clients:
            answers = await clients.deliver(
                requests,
                per_second=plan.traces_per_second / REQUEST_TRACES,
                on_due=arrivals.expect,
            )
        arrivals.expect_no_more()
        async with within(_ARRIVAL_SECONDS_MAX, "all traces to be readable"):
            await asyncio.wait({watching, failing}, return_when=asyncio.FIRST_COMPLETED)
        if failing.done():
            raise FatalError(failing.result())
        await watching
        seconds = clock.monotonic() - began_at
        used = {name: now - before[name] for name, now in _cpu_of(stack).items()}
        return Found(
            traces=plan.requests * REQUEST_TRACES,
            seconds=seconds,
            latency_p50_s=percentile(arrivals.seconds, 0.5),
            latency_p99_s=percentile(arrivals.seconds, 0.99),
            overloads=answers.statuses[OVERLOADED],
            gap=await _gap(stack, client, plan.requests * REQUEST_TRACES),
            cpu_seconds=used | {LOAD: own_cpu_seconds() - own_before},
            rss_bytes={name: resident_bytes(pid) for name, pid in stack.pids.items()},
        )
    finally:
        watching.cancel()
        failing.cancel()


def _cpu_of(stack: Stack) -> Mapping[str, float]:
    return {name: cpu_seconds(pid) for name, pid in stack.pids.items()}


async def _gap(stack: Stack, client: ClickHouse, traces: int) -> int:
    """Return what is unaccounted for once nothing is pending; a trace that never reached the log counts, too."""
    async with within(_SETTLE_SECONDS_MAX, "everything to be stored"):
        while True:
            balances = await balance_all(stack.kafka, client)
            if not any(balance.pending for balance in balances):
                return gap_of(balances, traces)
            await asyncio.sleep(POLL_SECONDS)


def gap_of(balances: list[Balance], traces: int) -> int:
    """Return the sum of all gaps, and by how many the traces stored differ from the `traces` that were taken."""
    [stored] = [balance.stored for balance in balances if balance.topic == TRACES.name]
    return sum(abs(balance.gap) for balance in balances) + abs(traces - stored)
