"""What `threadline demo --json` says of a run in which nothing was lost."""

from collections.abc import Mapping

FIGURES = {
    "accepted", "stored", "dead_lettered", "dropped", "pending", "gap",
    "threads_opened", "threads_closed", "close_delay_p50_s", "close_delay_p99_s",
}  # fmt: skip


def assert_nothing_is_lost(figures: Mapping[str, float]) -> None:
    assert figures.keys() == FIGURES
    assert figures["gap"] == figures["pending"] == figures["dropped"] == figures["dead_lettered"] == 0
    assert figures["accepted"] == figures["stored"] > 0
    assert figures["threads_opened"] == figures["threads_closed"] > 0
