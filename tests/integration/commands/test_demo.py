import json
import subprocess
import sys

import pytest

DEMO_SECONDS_MAX = 90
FIGURES = {
    "accepted", "stored", "dead_lettered", "dropped", "pending", "gap",
    "threads_opened", "threads_closed", "close_delay_p50_s", "close_delay_p99_s",
}  # fmt: skip


def run_demo(*arguments: str) -> dict[str, float]:
    result = subprocess.run(
        [sys.executable, "-m", "pipeline", "demo", "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=2 * DEMO_SECONDS_MAX,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr[-8000:]}"
    return dict(json.loads(result.stdout))


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((), id="undisturbed"),
        pytest.param(("--kill", "worker"), id="worker killed"),
        pytest.param(("--kill", "sink"), id="sink killed"),
        pytest.param(("--kill", "clickhouse"), id="clickhouse killed"),
    ],
)
def test_the_demo_loses_nothing_and_finds_exactly_the_sessions_of_its_input(arguments: tuple[str, ...]) -> None:
    figures = run_demo(*arguments)

    assert figures.keys() == FIGURES
    assert figures["gap"] == figures["pending"] == figures["dropped"] == figures["dead_lettered"] == 0
    assert figures["accepted"] == figures["stored"] > 0
    assert figures["threads_opened"] == figures["threads_closed"] > 0
