"""The demo with crashes in its midst; undisturbed it is run as a command of the README."""

import sys
from pathlib import Path

from tests.support.demo import assert_nothing_is_lost_by

KILLED = ("worker", "sink", "clickhouse")


def test_with_processes_killed_the_demo_still_loses_nothing_and_finds_exactly_its_sessions(tmp_path: Path) -> None:
    kills = [argument for name in KILLED for argument in ("--kill", name)]

    assert_nothing_is_lost_by([sys.executable, "-m", "pipeline", "demo", "--json", *kills], folder=tmp_path)
