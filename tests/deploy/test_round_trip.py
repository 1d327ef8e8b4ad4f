import subprocess
import sys
from pathlib import Path

from tests.support.running import RunningStack

SCRIPT = Path(__file__).parents[2] / "helm" / "files" / "round_trip.py"
STEPS = ["taking the trace", "closing its thread", "reading it back", "deleting the thread", "deleting the trace"]


def test_what_helm_test_runs_goes_through_every_process(tmp_path: Path) -> None:
    with RunningStack(tmp_path) as stack:
        ran = subprocess.run(
            [sys.executable, SCRIPT, stack.base_url], capture_output=True, text=True, check=False, timeout=120
        )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [line.partition(" (")[0].partition(":")[0] for line in ran.stdout.splitlines()] == STEPS


def test_it_says_what_does_not_answer() -> None:
    ran = subprocess.run(
        [sys.executable, SCRIPT, "http://127.0.0.1:1"], capture_output=True, text=True, check=False, timeout=60
    )

    assert ran.returncode != 0
    assert "refused" in ran.stderr
