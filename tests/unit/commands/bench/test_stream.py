import io

import pytest
from rich.console import Console

from pipeline.commands.bench.measure import Throughput
from pipeline.commands.bench.open_threads import OpenThreads
from pipeline.commands.bench.stream import FULL, QUICK, THREADS, Contenders, figures, tables

CONTENDERS = Contenders(
    bound=Throughput(events=1000, seconds=0.01, cpu_seconds=0.005),
    stock=Throughput(events=100, seconds=0.025, cpu_seconds=0.025),
    ours=Throughput(events=1000, seconds=0.0125, cpu_seconds=0.01),
)
HELD = OpenThreads(
    threads=2_000_000,
    bytes_per_open_thread=350.5,
    bytes_per_recovered_thread=300.25,
    idle_cpu_fraction=0.02,
    recovery_s=12.5,
    setting_loop_delay_max_s=0.04,
    closing_loop_delay_max_s=0.05,
    close_delay_p99_s=0.6,
    close_delay_max_s=0.9,
)
PROMISED = {
    "bound_events_per_s", "stock_events_per_s", "ours_events_per_s", "bytes_per_open_thread", "recovery_s",
    "idle_cpu_fraction", "close_delay_p99_s",
}  # fmt: skip


def test_the_figures_have_the_promised_keys_and_what_each_contender_costs() -> None:
    found = figures(CONTENDERS, HELD)

    assert found.keys() >= PROMISED
    assert [found[f"{name}_events_per_s"] for name in ("bound", "stock", "ours")] == [100_000, 4000, 80_000]
    assert [found[f"{name}_cpu_us_per_event"] for name in ("bound", "stock", "ours")] == [5, 250, 10]
    assert found["bytes_per_open_thread"] == 350.5


@pytest.mark.parametrize("words", [["0.80", "10.0", "2.0"], ["0.04", "250.0", "50.0"], ["1.00", "5.0", "1.0"]])
def test_each_contender_stands_beside_the_bound(words: list[str]) -> None:
    written = io.StringIO()
    for table in tables(CONTENDERS, HELD):
        Console(width=120, file=written).print(table)
    lines = [line.replace("│", " ").split() for line in written.getvalue().splitlines()]

    assert any(line[-3:] == words for line in lines)
    assert any(line == ["close_delay_p99_s", "0.600"] for line in lines)


def test_a_million_threads_are_the_default_and_a_quick_run_writes_less_than_300_mb() -> None:
    assert FULL.threads == THREADS == 1_000_000
    assert QUICK.load.events * 1200 < 300e6
    assert QUICK.stock_events <= QUICK.load.events
