"""`threadline bench gateway`: the way in, with one process and with two, beside what the same work costs without HTTP.

Each contender has a broker of its own, since the embedded one never gives memory back. What counts is CPU time: on one
machine the load generator and the broker compete with the gateway for the cores. The memory is the highest that a
process ever had, the burst of large requests at the end included.
"""

import asyncio
import json
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.adapters.clock import Clock, SystemClock
from pipeline.commands.bench.bare_gateway import AT_ONCE, DISTINCT_MAX
from pipeline.commands.bench.contender import run_contender
from pipeline.commands.bench.fairness import GREEDY_TIMES, Fairness, measure_fairness
from pipeline.commands.bench.http_load import Answers, Clients
from pipeline.commands.bench.load import WORKSPACE
from pipeline.commands.bench.measure import Throughput, percentile
from pipeline.commands.bench.our_gateway import RunningGateway, running_gateway
from pipeline.commands.bench.requests import Requests
from pipeline.commands.bench.stream import embedded_broker
from pipeline.errors import FatalError

HEADLINE: Final = 1000
"""Traces in a request of the headline; what the SDKs send under load."""
CONTENDERS: Final = ("bound", "ours", "ours_2")
BURST_BYTES: Final = 16_000
"""Of each trace in the burst: a request of 1,000 of them is 16 MB, inflated."""

_MODULE: Final = f"{__package__}.bare_gateway"
_SECONDS_MAX: Final = 300.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests by the traces in each; then large ones, all at once. Two workspaces share a gateway for so long."""

    requests: dict[int, int]
    burst_requests: int
    fairness_seconds: float


FULL: Final = Plan({1: 6000, 100: 800, HEADLINE: 250}, burst_requests=60, fairness_seconds=40)
QUICK: Final = Plan({1: 2000, 100: 250, HEADLINE: 80}, burst_requests=40, fairness_seconds=12)


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """What one contender did with requests of one size; without HTTP there are no answers to wait for."""

    throughput: Throughput
    latency_p50_s: float | None = None
    latency_p99_s: float | None = None

    @property
    def traces_per_cpu_s(self) -> float:
        """Traces taken in by a second of CPU time."""
        return self.throughput.events / self.throughput.cpu_seconds


class Contenders(msgspec.Struct, frozen=True, kw_only=True):
    """The legs of each contender by the size of requests, and the highest memory of one process of ours."""

    bound: dict[int, Leg]
    ours: dict[int, Leg]
    ours_2: dict[int, Leg]
    rss_bytes: int
    burst_refused: int


def run(*, as_json: bool, quick: bool) -> None:
    """Measure and print; raises FatalError where something does not come to its end."""
    contenders, fairness = asyncio.run(_measure(QUICK if quick else FULL, SystemClock(), Console(stderr=True)))
    if as_json:
        print(json.dumps(figures(contenders, fairness)))  # noqa: T201
    else:
        Console().print(table(contenders, fairness))


async def compare(plan: Plan, clock: Clock, console: Console) -> Contenders:
    """Run the contenders one after another."""
    with console.status("without HTTP"):
        bound = {traces: await _bound(traces, count, clock) for traces, count in plan.requests.items()}
    with console.status("threadline serve, one process"):
        ours, rss_bytes, _ = await _ours(1, plan, clock, burst_requests=0)
    with console.status("threadline serve, two processes"):
        ours_2, rss_bytes_2, refused = await _ours(2, plan, clock, burst_requests=plan.burst_requests)
    return Contenders(
        bound=bound, ours=ours, ours_2=ours_2, rss_bytes=max(rss_bytes, rss_bytes_2), burst_refused=refused
    )


async def _measure(plan: Plan, clock: Clock, console: Console) -> tuple[Contenders, Fairness]:
    contenders = await compare(plan, clock, console)
    with console.status("two workspaces, one with ten times its share"):
        return contenders, await measure_fairness(plan.fairness_seconds, clock)


def figures(found: Contenders, fairness: Fairness) -> dict[str, float]:
    """Return the figures as `--json` prints them; those without a size are of the headline."""
    printed: dict[str, float] = {}
    for name in CONTENDERS:
        legs: dict[int, Leg] = getattr(found, name)
        printed[f"{name}_traces_per_cpu_s"] = round(legs[HEADLINE].traces_per_cpu_s, 1)
        for traces, leg in legs.items():
            printed[f"{name}_traces_per_cpu_s_by_{traces}"] = round(leg.traces_per_cpu_s, 1)
            if leg.latency_p99_s is not None:
                printed[f"{name}_latency_p99_s_by_{traces}"] = round(leg.latency_p99_s, 4)
    printed["ours_to_bound"] = round(printed["ours_traces_per_cpu_s"] / printed["bound_traces_per_cpu_s"], 3)
    printed["burst_refused"] = found.burst_refused
    printed["fair_p99_ratio"] = round(fairness.ratio, 2)
    return printed | {"rss_mb": round(found.rss_bytes / 1e6, 1)}


def table(found: Contenders, fairness: Fairness) -> Table:
    """Return the figures as they are printed otherwise."""
    printed = Table("request", "", "traces/CPU s", "to bound", "traces/s", "p50 ms", "p99 ms", title="gateway")
    names = {"bound": "without HTTP", "ours": "1 process", "ours_2": "2 processes"}
    for traces, bound in found.bound.items():
        for name, title in names.items():
            leg: Leg = getattr(found, name)[traces]
            printed.add_row(
                f"{traces:,}",
                title,
                f"{leg.traces_per_cpu_s:,.0f}",
                f"{leg.traces_per_cpu_s / bound.traces_per_cpu_s:.2f}",
                f"{leg.throughput.events_per_s:,.0f}",
                *("" if value is None else f"{value * 1000:.1f}" for value in (leg.latency_p50_s, leg.latency_p99_s)),
            )
    printed.caption = (
        f"highest memory of a process: {found.rss_bytes / 1e6:.0f} MB; "
        f"in the burst {found.burst_refused} requests were answered 429; "
        f"p99 beside a workspace with {GREEDY_TIMES} x its share: {fairness.ratio:.2f} x that apart from it"
    )
    return printed


async def _bound(traces: int, requests: int, clock: Clock) -> Leg:
    async with embedded_broker(clock) as kafka:
        found = await run_contender(
            _MODULE, kafka.bootstrap, str(kafka.partitions), str(traces), str(requests), seconds_max=_SECONDS_MAX
        )
    return Leg(throughput=found)


async def _ours(processes: int, plan: Plan, clock: Clock, *, burst_requests: int) -> tuple[dict[int, Leg], int, int]:
    """Return the legs, the highest memory of a process, and how many requests of the burst were refused."""
    legs: dict[int, Leg] = {}
    rss_bytes = refused = 0
    for traces, count in plan.requests.items():
        async with embedded_broker(clock) as kafka, running_gateway(kafka, processes=processes) as gateway:
            legs[traces] = await _leg(gateway, traces, count, clock)
            if traces == HEADLINE and burst_requests:
                refused = await _burst(gateway, burst_requests, clock)
            rss_bytes = max(rss_bytes, gateway.peak_resident_bytes())
    return legs, rss_bytes, refused


async def _leg(gateway: RunningGateway, traces: int, count: int, clock: Clock) -> Leg:
    distinct = list(Requests(clock).many(min(DISTINCT_MAX, count), traces))
    async with _clients(gateway, AT_ONCE, clock) as first:
        await first.drive(iter(distinct[:AT_ONCE]))
    async with _clients(gateway, AT_ONCE, clock) as clients:
        began_at, began_cpu = clock.monotonic(), gateway.cpu_seconds()
        answers = await clients.drive(islice(cycle(distinct), count))
        seconds, used = clock.monotonic() - began_at, gateway.cpu_seconds() - began_cpu
    _check_all_taken(answers, traces * count)
    return Leg(
        throughput=Throughput(events=answers.traces_taken, seconds=seconds, cpu_seconds=used),
        latency_p50_s=percentile(answers.seconds, 0.5),
        latency_p99_s=percentile(answers.seconds, 0.99),
    )


def _clients(gateway: RunningGateway, connections: int, clock: Clock) -> Clients:
    return Clients(gateway.url, clock, connections=connections, workspace=WORKSPACE)


def _check_all_taken(answers: Answers, traces: int) -> None:
    if answers.traces_taken != traces:
        raise FatalError(f"of {traces:,} traces {answers.traces_taken:,} were taken: {dict(answers.statuses)}")


async def _burst(gateway: RunningGateway, count: int, clock: Clock) -> int:
    """Send large requests, all at once, and return how many were refused for want of room."""
    large = Requests(clock).make(HEADLINE, BURST_BYTES)
    async with _clients(gateway, count, clock) as clients:
        answers = await clients.drive(iter([large] * count))
    return count - len(answers.seconds)
