import os
import signal
import subprocess
from pathlib import Path

from tests.support.running import RunningStack
from tests.support.waiting import wait_until


def descendants(pid: int) -> set[int]:
    """Return the processes that `pid` started, and theirs."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listing.splitlines())}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}").exists()}


def test_a_second_one_on_the_same_port_says_so_and_control_c_ends_every_process_in_order(tmp_path: Path) -> None:
    with RunningStack(tmp_path / "first") as stack:
        second = RunningStack(tmp_path / "second", port=stack.port)
        second.wait_for_line("cannot listen on", 90)
        assert second.wait() == 1

        started = descendants(stack.pid)
        assert len(started) >= 5
        assert stack.stop() == 0

    assert alive(started) == set()


def test_nothing_is_left_when_it_is_killed(tmp_path: Path) -> None:
    stack = RunningStack(tmp_path)
    stack.wait_for_line("Threadline is ready", 90)
    started = descendants(stack.pid)

    os.kill(stack.pid, signal.SIGKILL)

    wait_until(lambda: alive(started), lambda left: not left)
    assert stack.stop() == -signal.SIGKILL
