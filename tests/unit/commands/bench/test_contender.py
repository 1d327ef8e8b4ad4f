from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands.bench.contender import run_contender
from pipeline.commands.bench.measure import Throughput
from pipeline.errors import FatalError

SAYS = (
    'print("a warning"); print(\'{"events": 3, "seconds": 0.5, "cpu_seconds": 0.25}\'); import signal; signal.pause()'
)
SECONDS_MAX = 120.0


Write = Callable[[str], int]


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module that a contender's process finds under the name `contender_of_test`."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return (tmp_path / "contender_of_test.py").write_text


async def test_what_a_contender_says_is_its_figures_and_nobody_waits_for_its_end(write_module: Write) -> None:
    write_module(SAYS)

    found = await run_contender("contender_of_test", seconds_max=SECONDS_MAX)

    assert found == Throughput(events=3, seconds=0.5, cpu_seconds=0.25)


async def test_one_that_ends_without_a_word_is_a_failure_with_its_last_lines(write_module: Write) -> None:
    write_module("import sys; sys.exit('no ' + sys.argv[1])")

    with pytest.raises(FatalError, match=r"(?s)ended with 1.*no broker"):
        await run_contender("contender_of_test", "broker", seconds_max=SECONDS_MAX)


async def test_one_that_says_nothing_in_time_is_a_failure(write_module: Write) -> None:
    write_module("import signal; signal.pause()")

    with pytest.raises(FatalError, match="said nothing"):
        await run_contender("contender_of_test", seconds_max=0.5)
