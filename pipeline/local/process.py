"""Child processes of one machine: started, followed line by line, and never left behind."""

import asyncio
import fcntl
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import IO, Final, Self

from pipeline.errors import InvalidSettings

TAIL_LINES_MAX = 40
LINE_BYTES_MAX = 1024 * 1024
READ_BYTES_MAX = 64 * 1024

# Below every usual range of ephemeral ports (Linux starts at 32768, some sandboxes at 16000): a client that keeps
# connecting to a stopped server can otherwise be given the server's own port as its source, and block its restart.
PORTS = range(10_000, 16_000)
PORT_ATTEMPTS_MAX = 100
_claimed: Final = set[int]()

_TETHER = Path(__file__).with_name("tether.py")


def free_ports(count: int) -> list[int]:
    """Return `count` different ports of 127.0.0.1 on which nothing listens now; raises InvalidSettings.

    They are this process' own until it ends: no other process of the same user gets them from here, even while nothing
    listens on them, before a server has started and while one is down. The same process gets them again last.
    """
    ports: list[int] = []
    with ExitStack() as held:
        for port in _candidates():
            with suppress(OSError):  # taken: try the next
                _claim(port)
                held.enter_context(_bind(port))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise InvalidSettings(f"fewer than {count} free ports among {PORT_ATTEMPTS_MAX} of {PORTS.start}-{PORTS.stop - 1}")


def free_ports_in_a_row(count: int) -> list[int]:
    """Return `count` ports as `free_ports` does, each one more than the one before; raises InvalidSettings."""
    for first in _candidates():
        ports = list(range(first, first + count))
        with suppress(OSError), ExitStack() as held:
            for port in ports:
                _claim(port)
                held.enter_context(_bind(port))
            return ports
    raise InvalidSettings(f"nowhere in {PORTS.start}-{PORTS.stop - 1} were {count} free ports in a row found")


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens now."""
    return free_ports(1)[0]


def is_port_free(port: int) -> bool:
    """Whether nothing listens on 127.0.0.1:`port` now."""
    try:
        _bind(port).close()
    except OSError:
        return False
    return True


def _candidates() -> list[int]:
    """Return ports in any order, but those that this process was given before at the end: it may yet use them."""
    return sorted(random.sample(PORTS, min(PORT_ATTEMPTS_MAX, len(PORTS))), key=_claimed.__contains__)


def _claim(port: int) -> None:
    """Lock the byte of a file that stands for this port, until this process ends; raises OSError if another one has it.

    Each process has its own lock on a byte (POSIX record locks), and loses it by its end, however it ends.
    """
    fcntl.lockf(_claims_file(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    _claimed.add(port)


@cache
def _claims_file() -> int:
    """Return the descriptor of the file of claims, which stays open: to close it would give up all of them."""
    path = Path(tempfile.gettempdir()) / f"threadline-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _bind(port: int) -> socket.socket:
    listener = socket.socket()
    # What a server does as well: a port with connections in TIME_WAIT can be listened on.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener


class ChildProcess:
    """A running program with its output, in a process group of its own.

    On Linux it is killed by the kernel when the OS thread that started it ends, however it ends (kill -9 included);
    elsewhere only an orderly end of the parent stops it. Leaving the `async with` block kills the whole group.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        output: asyncio.StreamReader,
        output_pipe: asyncio.ReadTransport,
        on_line: Callable[[str], None] | None,
    ) -> None:
        self._process: Final = process
        self._output: Final = output
        self._output_pipe: Final = output_pipe
        self._on_line: Final = on_line
        self._tail: Final[deque[str]] = deque(maxlen=TAIL_LINES_MAX)
        self._ended: Final = asyncio.create_task(self._follow())

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Self:
        """Start `argv` and hand each line of its stdout and stderr to `on_line`.

        `env` is the whole environment (None: ours). Raises InvalidSettings if there is no such program. An error
        raised by `on_line` kills the process and comes out of `wait`.
        """
        program = _find_program(argv[0])
        tether = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid())] if sys.platform == "linux" else []
        output, output_pipe, write_end = await _open_pipe()
        with write_end:
            process = await asyncio.create_subprocess_exec(
                *tether,
                program,
                *argv[1:],
                env=env,
                cwd=cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                start_new_session=True,  # Ctrl-C reaches the parent only, which stops its children in the right order
            )
        return cls(process, output, output_pipe, on_line)

    @property
    def pid(self) -> int:
        """The process id, which is the id of its group too."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.returncode

    @property
    def tail(self) -> str:
        """The last lines that it wrote, for error messages."""
        return "\n".join(self._tail)

    async def wait(self) -> int:
        """Return the exit code once the process has ended and its last line was handed over."""
        return await asyncio.shield(self._ended)

    async def terminate(self, grace_seconds: float) -> int:
        """Ask the process to end (SIGTERM), kill its group after `grace_seconds`; return the exit code."""
        self.send_signal(signal.SIGTERM)
        await asyncio.wait({self._ended}, timeout=grace_seconds)
        return await self.kill()

    async def kill(self) -> int:
        """End the process and all of its group at once (SIGKILL); return the exit code."""
        if self.returncode is None:
            self._kill_group()
        return await self.wait()

    def send_signal(self, signum: signal.Signals) -> None:
        """Send a signal to the process itself; none if it has ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):  # it ended, and the event loop does not know yet
                os.kill(self.pid, signum)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def _follow(self) -> int:
        reading = asyncio.create_task(self._read_lines())
        returncode = await self._process.wait()
        self._kill_group()  # what it started and left behind; such children would hold its output open, too
        await reading
        return returncode

    async def _read_lines(self) -> None:
        try:
            async for line in _lines(self._output):
                self._tail.append(line)
                if self._on_line is not None:
                    self._on_line(line)
        except BaseException:
            self._kill_group()  # nobody reads its output any more: it would block for ever on a full pipe
            raise
        finally:
            self._output_pipe.close()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):  # nothing is left of the group
            os.killpg(self.pid, signal.SIGKILL)


def _find_program(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        raise InvalidSettings(f"no such program: {name}")
    return str(Path(program).absolute())  # `cwd` must not change which program is meant


async def _open_pipe() -> tuple[asyncio.StreamReader, asyncio.ReadTransport, IO[bytes]]:
    """Return the two ends of a pipe of our own: with asyncio's, `wait` waits for whoever else holds the write end."""
    read_descriptor, write_descriptor = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_descriptor, "rb", buffering=0)
    )
    return reader, transport, os.fdopen(write_descriptor, "wb", buffering=0)


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yield the lines of a stream, those over LINE_BYTES_MAX in pieces (StreamReader.readline would raise)."""
    rest = b""
    while chunk := await stream.read(READ_BYTES_MAX):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").rstrip("\r")
        if len(rest) > LINE_BYTES_MAX:
            yield rest.decode(errors="replace")
            rest = b""
    if rest:
        yield rest.decode(errors="replace")
