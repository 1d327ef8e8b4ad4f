import io

import pytest
from rich.console import Console

from pipeline.commands.bench.fairness import Fairness
from pipeline.commands.bench.gateway import (
    FULL,
    HEADLINE,
    QUICK,
    Answers,
    Contenders,
    Leg,
    _check_all_taken,
    figures,
    table,
)
from pipeline.commands.bench.greedy_client import Greed
from pipeline.commands.bench.measure import Throughput
from pipeline.errors import FatalError


def leg(traces_per_cpu_s: float, *, latency: float | None = None) -> Leg:
    throughput = Throughput(events=1000, seconds=0.1, cpu_seconds=1000 / traces_per_cpu_s)
    return Leg(throughput=throughput, latency_p50_s=latency, latency_p99_s=latency)


FOUND = Contenders(
    bound={1: leg(5000), HEADLINE: leg(50_000)},
    ours={1: leg(2000, latency=0.004), HEADLINE: leg(35_000, latency=0.25)},
    ours_2={1: leg(1900, latency=0.006), HEADLINE: leg(30_000, latency=0.2)},
    rss_bytes=300_000_000,
    burst_refused=7,
)
FAIRNESS = Fairness(apart_p99_s=0.02, beside_p99_s=0.03, greed=Greed(traces_taken=1000, refused=40))


def test_the_figures_have_the_promised_keys_of_batches_of_a_thousand() -> None:
    found = figures(FOUND, FAIRNESS)

    assert (found["bound_traces_per_cpu_s"], found["ours_traces_per_cpu_s"], found["rss_mb"]) == (50_000, 35_000, 300)
    assert (found["ours_to_bound"], found["fair_p99_ratio"]) == (0.7, 1.5)
    assert (found["ours_traces_per_cpu_s_by_1"], found["ours_2_latency_p99_s_by_1"]) == (2000, 0.006)
    assert "bound_latency_p99_s_by_1" not in found


def test_the_table_says_how_near_each_comes_to_the_bound() -> None:
    written = io.StringIO()
    Console(width=120, file=written).print(table(FOUND, FAIRNESS))
    lines = [line.replace("│", " ").split() for line in written.getvalue().splitlines()]

    assert ["1,000", "1", "process", "35,000", "0.70", "10,000", "250.0", "250.0"] in lines
    assert "300 MB" in written.getvalue()
    assert "7 requests were answered 429" in " ".join(written.getvalue().split())


def test_a_quick_run_sends_less_of_the_same() -> None:
    assert QUICK.requests.keys() == FULL.requests.keys() == {1, 100, HEADLINE}
    assert all(QUICK.requests[size] < FULL.requests[size] for size in FULL.requests)


def test_a_run_in_which_something_was_refused_is_none() -> None:
    with pytest.raises(FatalError, match="of 2,000 traces 1,000 were taken"):
        _check_all_taken(Answers(traces_taken=1000), 2000)
