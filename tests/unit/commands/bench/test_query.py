import io

from rich.console import Console

from pipeline.commands.bench.archive import Archive
from pipeline.commands.bench.query import QUICK_TRACES, TRACES, Found, Latency, figures, flow_table, table
from pipeline.commands.bench.streams import Flow

ARCHIVE = Archive(100_000)
FOUND = Found(
    {
        name: Latency(p50_s=0.05, p95_s=0.1234567, rows_read=1500.5, cpu_s=0.08)
        for name in ("search", "retrieve", "conversation", "filtered_page")
    },
    {"stream": Flow(traces=100_000, per_s=4321.0, grown_mib=0.25)},
)
PROMISED = {"search_p95_s", "retrieve_p95_s", "conversation_p95_s", "filtered_page_p95_s", "search_rows_read"}


def test_the_figures_have_the_promised_keys() -> None:
    found = figures(ARCHIVE, FOUND)

    assert found.keys() >= PROMISED
    assert (found["traces"], found["threads"], found["search_p95_s"]) == (100_000, 5000, 0.1235)


def test_the_table_says_milliseconds() -> None:
    written = io.StringIO()
    Console(width=120, file=written).print(table(ARCHIVE, FOUND))
    lines = [line.replace("│", " ").split() for line in written.getvalue().splitlines()]

    assert ["filtered", "page", "50", "123", "1,500", "80"] in lines


def test_long_reads_say_how_much_memory_they_took() -> None:
    written = io.StringIO()
    Console(width=120, file=written).print(flow_table(FOUND))

    assert figures(ARCHIVE, FOUND)["stream_grown_mib"] == 0.25
    assert "│ stream │ 100,000 │ 4,321    │ 0.2 " in written.getvalue()


def test_a_million_traces_are_the_default_and_a_quick_run_has_a_tenth() -> None:
    assert TRACES == 10 * QUICK_TRACES == 1_000_000
