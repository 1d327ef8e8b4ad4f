import io
from dataclasses import replace

from rich.console import Console

from pipeline.commands.reconcile import _document, _table
from pipeline.sinks.reconciliation import Balance

BALANCED = Balance(
    topic="traces", accepted=107, controls=10, stored=60, dead_lettered=5, dropped=3, deleted=7, pending=22
)


def test_the_table_shows_every_term_and_the_gap_of_each_topic() -> None:
    written = io.StringIO()
    Console(width=120, file=written).print(
        _table([replace(BALANCED, accepted=1_000_107), replace(BALANCED, topic="spans", partition=3)])
    )
    header, *_, traces, spans, _ = written.getvalue().splitlines()[1:]
    words = [line.replace("│", " ").replace("┃", " ").split() for line in (header, traces, spans)]

    assert words == [
        ["topic", "accepted", "controls", "stored", "dead-lettered", "dropped", "deleted", "pending", "gap"],
        ["traces", "1,000,107", "10", "60", "5", "3", "7", "22", "1,000,000"],
        ["spans/3", "107", "10", "60", "5", "3", "7", "22", "0"],
    ]


def test_a_document_names_the_partition_only_where_there_is_one() -> None:
    assert _document(BALANCED) == {
        "topic": "traces", "accepted": 107, "controls": 10, "stored": 60, "dead_lettered": 5, "dropped": 3,
        "deleted": 7, "pending": 22, "gap": 0,
    }  # fmt: skip
    assert _document(replace(BALANCED, partition=2))["partition"] == 2
