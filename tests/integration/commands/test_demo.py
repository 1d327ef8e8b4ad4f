"""The demo with a crash in its midst; undisturbed it is run as a command of the README."""

import sys
from pathlib import Path

import pytest

from tests.support.demo import assert_nothing_is_lost_by


@pytest.mark.parametrize("name", ["worker", "sink", "clickhouse"])
def test_with_a_process_killed_the_demo_still_loses_nothing_and_finds_exactly_its_sessions(
    name: str, tmp_path: Path
) -> None:
    assert_nothing_is_lost_by([sys.executable, "-m", "pipeline", "demo", "--json", "--kill", name], folder=tmp_path)
