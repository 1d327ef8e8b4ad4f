"""An event loop without a clock of its own: time is a number that moves when everybody waits.

Nothing here waits, no OS thread runs and nothing is asked of the machine, so one order of steps follows from the
program alone. What a process does can be held back for a while, as SIGSTOP would.
"""

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from itertools import count
from typing import Any, Final

STEPS_MAX: Final = 200_000


class Process:
    """Stands for an OS process: each step of the loop that is taken in its name."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self.is_stopped = False
        self.held: Final[list[asyncio.Handle]] = []


CURRENT: Final[contextvars.ContextVar[Process | None]] = contextvars.ContextVar("process", default=None)


class Loop(asyncio.AbstractEventLoop):
    """The part of asyncio's loop that has to do with time and order; a step of a process takes `step_seconds`."""

    def __init__(self, *, step_seconds: float) -> None:
        self._step_seconds: Final = step_seconds
        self._now = 0.0
        self._ready: Final[deque[asyncio.Handle]] = deque()
        self._timers: Final[list[tuple[float, int, asyncio.TimerHandle]]] = []
        self._numbers: Final = count()
        self.failures: Final[list[str]] = []

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run until `main` ends; raises what it raises, RuntimeError where nothing is left to happen."""
        asyncio._set_running_loop(self)
        try:
            task = self.create_task(main)
            for _ in range(STEPS_MAX):
                if task.done():
                    return task.result()
                self._step()
            raise RuntimeError(f"no end after {STEPS_MAX} steps")
        finally:
            asyncio._set_running_loop(None)

    def resume(self, process: Process) -> None:
        """Let a stopped process go on with all that would have happened meanwhile."""
        process.is_stopped = False
        self._ready.extend(process.held)
        process.held.clear()

    def _step(self) -> None:
        timers = self._timers
        if not self._ready:
            if not timers:
                raise RuntimeError("everybody waits for what never happens")
            self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            self._ready.append(heapq.heappop(timers)[2])
        handle = self._ready.popleft()
        if handle.cancelled():
            return
        process = handle._context.get(CURRENT)
        if process is None:
            handle._run()
        elif process.is_stopped:
            process.held.append(handle)
        else:
            handle._run()
            self._now += self._step_seconds

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Generator[Any, None, Any] | Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, **options)

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody caught: it fails the schedule."""
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a cancelled handle is passed over when its time comes."""


def in_the_name_of(process: Process) -> contextvars.Context:
    """Return a context of a process, of which nothing happens while that is stopped."""
    context = contextvars.Context()
    context.run(CURRENT.set, process)
    return context


def in_nobodys_name() -> contextvars.Context:
    """Return a context of no process: for what goes on in the network and at the broker."""
    return contextvars.Context()
