"""What `threadline demo --json` says of a run in which nothing was lost."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

FIGURES = {
    "accepted", "stored", "dead_lettered", "dropped", "pending", "gap",
    "threads_opened", "threads_closed", "close_delay_p50_s", "close_delay_p99_s",
}  # fmt: skip
SECONDS_MAX = 600  # of a machine that does other things too; on an idle one it takes a tenth
ATTEMPTS_MAX = 4
TOO_SLOW = "too slow to tell sessions apart"


def assert_nothing_is_lost_by(command: Sequence[str], *, folder: Path) -> None:
    """Run a demo that must lose nothing; again where it says that the machine was too slow for it to mean anything."""
    for _ in range(ATTEMPTS_MAX):
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
        if TOO_SLOW not in result.stderr:
            break
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr[-8000:]}"
    _assert_nothing_is_lost(json.loads(result.stdout))


def _assert_nothing_is_lost(figures: Mapping[str, float]) -> None:
    assert figures.keys() == FIGURES
    assert figures["gap"] == figures["pending"] == figures["dropped"] == figures["dead_lettered"] == 0
    assert figures["accepted"] == figures["stored"] > 0
    assert figures["threads_opened"] == figures["threads_closed"] > 0
