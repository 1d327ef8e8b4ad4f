import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import InvalidSettings
from pipeline.local.process import LINE_BYTES_MAX, ChildProcess, free_port, free_ports, free_ports_in_a_row

WAIT_SECONDS_MAX = 120.0
FOREVER = "import signal; print('up', flush=True); signal.pause()"
IGNORE_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FOREVER}"

# A parent that starts a child, says its pid, and waits to be killed.
PARENT = f"""
import asyncio, sys
from pipeline.local.process import ChildProcess

async def main():
    up = asyncio.Event()
    child = await ChildProcess.start([sys.executable, "-c", {FOREVER!r}], on_line=lambda line: up.set())
    await up.wait()
    print(child.pid, flush=True)
    await child.wait()

asyncio.run(main())
"""


def python(source: str) -> list[str]:
    return [sys.executable, "-c", source]


class Lines:
    """Collects lines and lets a test wait for the next one."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._queue: asyncio.Queue[str] = asyncio.Queue()

    def __call__(self, line: str) -> None:
        self.all.append(line)
        self._queue.put_nowait(line)

    async def next(self) -> str:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            return await self._queue.get()


async def test_every_line_of_stdout_and_stderr_is_handed_over_in_order() -> None:
    lines = Lines()
    source = "import sys; print('one', flush=True); print('two', file=sys.stderr, flush=True); print('end', end='')"
    async with await ChildProcess.start(python(source), on_line=lines) as child:
        assert await child.wait() == 0
    assert lines.all == ["one", "two", "end"]
    assert child.tail == "one\ntwo\nend"


async def test_a_line_over_the_limit_arrives_in_pieces_and_whole() -> None:
    lines = Lines()
    source = f"print('x' * {3 * LINE_BYTES_MAX}); print('after')"
    async with await ChildProcess.start(python(source), on_line=lines) as child:
        assert await child.wait() == 0
    assert lines.all[-1] == "after"
    assert "".join(lines.all[:-1]) == "x" * (3 * LINE_BYTES_MAX)
    assert len(lines.all) > 2


async def test_it_runs_with_the_given_environment_and_folder(tmp_path: Path) -> None:
    lines = Lines()
    source = "import os; print(os.environ['COLOUR'], 'HOME' in os.environ); print(os.getcwd())"
    async with await ChildProcess.start(python(source), env={"COLOUR": "red"}, cwd=tmp_path, on_line=lines) as child:
        assert await child.wait() == 0
    assert lines.all == ["red False", str(tmp_path)]


async def test_the_exit_code_is_the_programs_own() -> None:
    async with await ChildProcess.start(python("raise SystemExit(7)")) as child:
        assert await child.wait() == 7
    assert child.returncode == 7


async def test_terminate_ends_it_with_sigterm() -> None:
    lines = Lines()
    async with await ChildProcess.start(python(FOREVER), on_line=lines) as child:
        await lines.next()
        assert await child.terminate(grace_seconds=WAIT_SECONDS_MAX) == -signal.SIGTERM


async def test_terminate_kills_what_ignores_sigterm() -> None:
    lines = Lines()
    async with await ChildProcess.start(python(IGNORE_SIGTERM), on_line=lines) as child:
        await lines.next()
        assert await child.terminate(grace_seconds=0.05) == -signal.SIGKILL


async def test_kill_after_the_end_returns_the_same_code() -> None:
    async with await ChildProcess.start(python("")) as child:
        assert await child.wait() == 0
        assert await child.kill() == 0
        assert await child.terminate(grace_seconds=1) == 0


async def test_what_the_program_leaves_behind_dies_with_it() -> None:
    lines = Lines()
    leave = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {FOREVER!r}]).pid, flush=True)"
    async with await ChildProcess.start(python(leave), on_line=lines) as child:
        left = os.pidfd_open(int(await lines.next()))
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            assert await child.wait() == 0  # though the one left behind holds its stdout open
    assert_ends(left)


async def test_leaving_the_block_kills_it() -> None:
    async with await ChildProcess.start(python(FOREVER)) as child:
        assert child.returncode is None
    assert child.returncode == -signal.SIGKILL


async def test_an_error_of_the_line_callback_kills_it_and_comes_out_of_wait() -> None:
    def refuse(line: str) -> None:
        raise ValueError(line)

    child = await ChildProcess.start(python(FOREVER), on_line=refuse)
    with pytest.raises(ValueError, match="up"):
        await child.wait()
    assert child.returncode == -signal.SIGKILL


async def test_an_unknown_program_is_refused_by_name() -> None:
    with pytest.raises(InvalidSettings, match="no-such-program"):
        await ChildProcess.start(["no-such-program"])


async def test_a_missing_folder_is_refused() -> None:
    with pytest.raises(FileNotFoundError):
        await ChildProcess.start(python(""), cwd=Path("/no/such/folder"))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is a Linux feature")
def test_it_dies_when_its_parent_is_killed() -> None:
    with subprocess.Popen(python(PARENT), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        assert not has_ended(child, wait_seconds=0)
        parent.kill()
    assert_ends(child)


def test_free_ports_differ_and_can_be_listened_on() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))


def test_a_port_in_use_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = free_port()
    monkeypatch.setattr("pipeline.local.process.PORTS", range(taken, taken + 1))
    monkeypatch.setattr("pipeline.local.process.PORT_ATTEMPTS_MAX", 1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", taken))
        listener.listen()
        with pytest.raises(InvalidSettings, match="free ports"):
            free_port()
    assert free_port() == taken


def test_a_port_that_another_process_was_given_is_not_free_until_that_process_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give = "from pipeline.local.process import free_port; print(free_port(), flush=True); input()"
    with subprocess.Popen(python(give), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        given = int(other.stdout.readline())
        monkeypatch.setattr("pipeline.local.process.PORTS", range(given, given + 1))
        with pytest.raises(InvalidSettings, match="free ports"):
            free_port()
        other.communicate("")
    assert free_port() == given


def test_a_port_is_given_again_only_when_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    first = free_ports_in_a_row(10)[0]
    monkeypatch.setattr("pipeline.local.process._claimed", set())
    monkeypatch.setattr("pipeline.local.process.PORTS", range(first, first + 10))

    assert len({free_port() for _ in range(10)}) == 10
    assert free_port() in range(first, first + 10)


def test_ports_in_a_row_are_all_free() -> None:
    first, second, third = free_ports_in_a_row(3)

    assert (second, third) == (first + 1, first + 2)
    for port in (first, second, third):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))


def has_ended(pidfd: int, *, wait_seconds: float) -> bool:
    """A pidfd becomes readable when its process ends, reaped or not."""
    readable, _, _ = select.select([pidfd], [], [], wait_seconds)
    return bool(readable)


def assert_ends(pidfd: int) -> None:
    try:
        assert has_ended(pidfd, wait_seconds=WAIT_SECONDS_MAX)
    finally:
        os.close(pidfd)
