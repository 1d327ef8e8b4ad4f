"""The demo with a crash in its midst; undisturbed it is run as a command of the README."""

import json
import subprocess
import sys

import pytest

from tests.support.demo import assert_nothing_is_lost

DEMO_SECONDS_MAX = 600  # of a machine that does other things too


def run_demo(*arguments: str) -> dict[str, float]:
    result = subprocess.run(
        [sys.executable, "-m", "pipeline", "demo", "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS_MAX,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr[-8000:]}"
    return dict(json.loads(result.stdout))


@pytest.mark.parametrize("name", ["worker", "sink", "clickhouse"])
def test_with_a_process_killed_the_demo_still_loses_nothing_and_finds_exactly_its_sessions(name: str) -> None:
    assert_nothing_is_lost(run_demo("--kill", name))
