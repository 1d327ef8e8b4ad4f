import io

import pytest
from rich.console import Console

from pipeline.adapters.kafka.groups import Committed
from pipeline.commands.reseed import Seeded, _next_offset, _table


@pytest.mark.parametrize(
    ("begin", "stored", "stood", "expected"),
    [
        (0, None, None, 0),  # a new log
        (0, None, 70, 0),  # nothing is stored: everything is read again
        (0, 50, None, 50),
        (0, 50, 70, 50),  # the stream was ahead of the sinks
        (0, 50, 30, 30),  # commands behind 30 are not decided yet
        (40, 50, 30, 40),  # retention took what lies before 40
    ],
)
def test_the_stream_reads_on_where_state_is_known_and_no_command_is_passed_over(
    begin: int, stored: int | None, stood: int | None, expected: int
) -> None:
    places = [None if offset is None else Committed(offset, "") for offset in (stored, stood)]

    assert _next_offset(begin, *places) == expected


def test_the_table_counts_each_partition_and_all() -> None:
    written = io.StringIO()
    Console(width=120, file=written).print(
        _table(
            [Seeded(0, 7, settings=1, threads=1000, carried=2), Seeded(1, 9, settings=1, threads=5, openings_told=3)]
        )
    )
    lines = [line.replace("│", " ").split() for line in written.getvalue().splitlines()]

    assert ["0", "7", "1", "1,000", "2", "0"] in lines
    assert ["1", "9", "1", "5", "0", "3"] in lines
    assert ["all", "2", "1,005", "2", "3"] in lines
