import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline.commands.reconcile import Balance, _table

COUNTS = st.integers(0, 10**12)
BALANCED = Balance(topic="traces", accepted=100, controls=10, stored=60, dead_lettered=5, dropped=3, pending=22)


@given(controls=COUNTS, stored=COUNTS, dead_lettered=COUNTS, dropped=COUNTS, pending=COUNTS, gap=st.integers())
def test_the_gap_is_what_no_term_accounts_for(
    controls: int, stored: int, dead_lettered: int, dropped: int, pending: int, gap: int
) -> None:
    balance = Balance(
        topic="traces", accepted=controls + stored + dead_lettered + dropped + pending + gap, controls=controls,
        stored=stored, dead_lettered=dead_lettered, dropped=dropped, pending=pending,
    )  # fmt: skip

    assert balance.gap == gap


@pytest.mark.parametrize(
    ("changed", "gap"),
    [({}, 0), ({"stored": 59}, 1), ({"stored": 61}, -1), ({"pending": 0}, 22), ({"accepted": 101}, 1)],
)
def test_a_loss_is_a_gap_above_and_a_stranger_a_gap_below_nothing(changed: dict[str, int], gap: int) -> None:
    assert replace(BALANCED, **changed).gap == gap  # type: ignore[arg-type]


def test_the_table_shows_every_term_and_the_gap_of_each_topic() -> None:
    written = io.StringIO()
    Console(width=120, file=written).print(
        _table([replace(BALANCED, accepted=1_000_100), replace(BALANCED, topic="spans")])
    )
    header, *_, traces, spans, _ = written.getvalue().splitlines()[1:]
    words = [line.replace("│", " ").replace("┃", " ").split() for line in (header, traces, spans)]

    assert words == [
        ["topic", "accepted", "controls", "stored", "dead-lettered", "dropped", "pending", "gap"],
        ["traces", "1,000,100", "10", "60", "5", "3", "22", "1,000,000"],
        ["spans", "100", "10", "60", "5", "3", "22", "0"],
    ]
