from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sinks.reconciliation import TERMS, Balance, total

COUNTS = st.integers(0, 10**12)
BALANCED = Balance(
    topic="traces", accepted=107, controls=10, stored=60, dead_lettered=5, dropped=3, deleted=7, pending=22
)


@given(st.lists(COUNTS, min_size=len(TERMS) - 1, max_size=len(TERMS) - 1), st.integers())
def test_the_gap_is_what_no_term_accounts_for(counts: list[int], gap: int) -> None:
    terms = dict(zip(TERMS[1:], counts, strict=True))

    assert Balance(topic="traces", accepted=sum(counts) + gap, **terms).gap == gap


@pytest.mark.parametrize(
    ("changed", "gap"),
    [
        ({}, 0), ({"stored": 59}, 1), ({"stored": 61}, -1), ({"pending": 0}, 22), ({"accepted": 108}, 1),
        ({"deleted": 0}, 7),
    ],
)  # fmt: skip
def test_a_loss_is_a_gap_above_and_a_stranger_a_gap_below_nothing(changed: dict[str, int], gap: int) -> None:
    assert replace(BALANCED, **changed).gap == gap  # type: ignore[arg-type]


def test_a_topic_is_the_sum_of_its_partitions() -> None:
    partitions = [replace(BALANCED, partition=0), replace(BALANCED, partition=1, stored=50)]

    assert total(partitions) == Balance(
        topic="traces", accepted=214, controls=20, stored=110, dead_lettered=10, dropped=6, deleted=14, pending=44
    )
    assert total(partitions).terms()["gap"] == 10
