import io

from rich.console import Console

from pipeline.commands.bench.measure import Throughput
from pipeline.commands.bench.sink import FULL, QUICK, Found, figures, table
from pipeline.commands.bench.sink_steps import Steps

FOUND = Found(
    ceiling=Throughput(events=1000, seconds=0.1, cpu_seconds=0.001),
    columns=Throughput(events=1000, seconds=0.4, cpu_seconds=0.02),
    joined=Throughput(events=1000, seconds=0.125, cpu_seconds=0.005),
    ours=Throughput(events=1000, seconds=0.125, cpu_seconds=0.006),
    storage_cpu_seconds={"ceiling": 0.1, "columns": 0.1, "joined": 0.1, "ours": 0.11},
    step_seconds={"insert": 0.02, "fold": 0.05},
    steps=Steps(500, {"read": 0.001, "send": 0.002}),
    rss_bytes=300_000_000,
)
PROMISED = {"ceiling_rows_per_s", "columns_rows_per_s", "joined_rows_per_s", "ours_rows_per_s", "rss_mb"}


def test_the_figures_have_the_promised_keys() -> None:
    found = figures(FOUND)

    assert found.keys() >= PROMISED
    assert (found["ceiling_rows_per_s"], found["ours_rows_per_s"], found["rss_mb"]) == (10_000, 8000, 300)
    assert (found["ours_cpu_us_per_row"], found["ours_storage_cpu_us_per_row"]) == (6, 110)
    assert (found["ours_insert_us_per_row"], found["ours_fold_us_per_row"]) == (20, 50)
    assert (found["ours_read_cpu_us_per_row"], found["ours_send_cpu_us_per_row"]) == (2, 4)


def test_a_contender_costs_all_cpu_above_that_of_the_ceiling() -> None:
    found = figures(FOUND)

    assert found["ours_cpu_above_ceiling_us_per_row"] == (6 + 110) - (1 + 100)
    assert found["columns_cpu_above_ceiling_us_per_row"] == (20 + 100) - (1 + 100)


def test_the_table_says_how_near_each_comes_to_the_ceiling() -> None:
    written = io.StringIO()
    Console(width=120, file=written).print(table(FOUND))
    lines = [line.replace("│", " ").split() for line in written.getvalue().splitlines()]

    assert ["threadline", "sink", "8,000", "0.80", "6.0", "110.0", "15.0"] in lines
    assert "300 MB" in written.getvalue()
    assert "read 2.0, send 4.0" in " ".join(written.getvalue().split())


def test_a_quick_run_stores_less() -> None:
    assert QUICK.load.events < FULL.load.events
    assert QUICK.load.event_bytes == FULL.load.event_bytes == 1200
