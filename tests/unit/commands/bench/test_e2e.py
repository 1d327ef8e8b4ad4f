import io

from rich.console import Console

from pipeline.commands.bench.e2e import FULL, LOAD, QUICK, Found, figures, gap_of, table
from pipeline.sinks.reconciliation import Balance

FOUND = Found(
    traces=10_000,
    seconds=1.25,
    latency_p50_s=0.9,
    latency_p99_s=1.5,
    overloads=3,
    gap=0,
    cpu_seconds={"serve": 0.3, "sink": 0.6, LOAD: 0.1},
    rss_bytes={"serve": 200_000_000, "sink": 300_000_000},
)


def balance(topic: str, *, accepted: int, stored: int, pending: int = 0) -> Balance:
    return Balance(topic, accepted, controls=0, stored=stored, dead_lettered=0, dropped=0, deleted=0, pending=pending)


def test_the_figures_have_the_promised_keys() -> None:
    found = figures(FOUND)

    assert (found["traces_per_s"], found["latency_p50_s"], found["latency_p99_s"], found["gap"]) == (8000, 0.9, 1.5, 0)
    assert (found["sink_cpu_us_per_trace"], found["load_cpu_us_per_trace"], found["serve_rss_mb"]) == (60, 10, 200)


def test_the_table_has_what_to_improve_first_on_top() -> None:
    written = io.StringIO()
    Console(width=120, file=written).print(table(FOUND))
    lines = [line.replace("│", " ").split() for line in written.getvalue().splitlines()]

    rows = [line for line in lines if line and line[0] in FOUND.cpu_seconds]
    assert rows == [["sink", "60.0", "60%", "300"], ["serve", "30.0", "30%", "200"], ["load", "10.0", "10%"]]
    assert "8,000 traces/s, readable after p50 0.90 s, p99 1.50 s; gap 0" in " ".join(written.getvalue().split())


def test_a_trace_that_never_reached_the_log_is_a_gap_too() -> None:
    whole = [balance("traces", accepted=1000, stored=1000), balance("spans", accepted=0, stored=0)]

    assert gap_of(whole, 1000) == 0
    assert gap_of(whole, 1001) == 1
    assert gap_of([balance("traces", accepted=1000, stored=998)], 1000) == 4


def test_a_quick_run_is_shorter_and_not_slower() -> None:
    assert QUICK.seconds < FULL.seconds
    assert QUICK.traces_per_second == FULL.traces_per_second
    assert FULL.requests == 498
