"""Workers as a supervisor keeps them: whoever ends unasked is started again."""

import asyncio
import signal
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Final

from tests.fault.broken_worker import BETWEEN_STEPS
from tests.integration.stream.worker_process import WorkerProcess
from tests.support.broken_rules import Rule

WORKER: Final = ("-m", "pipeline", "worker")
BROKEN_WORKER: Final = ("-m", "tests.fault.broken_worker")
WORKERS_MAX: Final = 4
STOP_SECONDS_MAX: Final = 60.0
RESTART_SECONDS: Final = 0.5
BETWEEN_STEPS_SECONDS_MAX: Final = 60.0


class Member:
    """One place in the crew, and the process that holds it now."""

    def __init__(self) -> None:
        self.process: WorkerProcess | None = None
        self.is_wanted = True
        self.rests_seconds = RESTART_SECONDS


class Crew:
    """Processes of `threadline worker` with one environment, and perhaps one of its rules broken."""

    def __init__(self, env: Mapping[str, str], rule: Rule | None = None) -> None:
        self._env: Final = env
        self._arguments: Final = (*BROKEN_WORKER, rule) if rule else WORKER
        self._members: Final[list[Member]] = []
        self._keeping: Final[list[asyncio.Task[None]]] = []
        self._between_steps: Final[asyncio.Queue[Member]] = asyncio.Queue()
        self.counts: Final[Counter[str]] = Counter()
        self.lines: Final[list[list[str]]] = []

    def join(self) -> None:
        """Let one more worker join, unless there are enough."""
        if len(self._wanted()) < WORKERS_MAX:
            member = Member()
            self._members.append(member)
            self._keeping.append(asyncio.create_task(self._keep(member)))

    async def kill(self, choice: float, rests_seconds: float) -> None:
        """Kill one worker (SIGKILL); it is started anew after a rest."""
        if (member := self._pick(choice)) is not None:
            await self._kill(member, rests_seconds)

    async def kill_between_steps(self, rests_seconds: float) -> None:
        """Kill the worker that next says that it is between two steps; raises TimeoutError where none does."""
        while not self._between_steps.empty():
            self._between_steps.get_nowait()  # these have gone on since
        async with asyncio.timeout(BETWEEN_STEPS_SECONDS_MAX):
            member = await self._between_steps.get()
        await self._kill(member, rests_seconds)

    async def pause(self, choice: float, seconds: float) -> None:
        """Stop one worker (SIGSTOP) for a while."""
        if (member := self._pick(choice)) is not None and member.process is not None:
            paused = member.process.process
            paused.send_signal(signal.SIGSTOP)
            await asyncio.sleep(seconds)
            paused.send_signal(signal.SIGCONT)

    async def leave(self, choice: float) -> None:
        """Ask one worker to end (SIGTERM), unless it is the last."""
        if len(self._wanted()) > 1 and (member := self._pick(choice)) is not None:
            await self._dismiss(member)

    async def leave_all(self) -> None:
        """Ask all workers to end."""
        await asyncio.gather(*(self._dismiss(member) for member in self._wanted()))

    async def kill_all(self) -> None:
        """Leave nothing running."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        for member in self._members:
            if member.process is not None:
                await member.process.kill()

    def failures(self) -> list[BaseException]:
        """Return what went wrong in keeping workers, which is a fault of this suite."""
        ended = [task for task in self._keeping if task.done() and not task.cancelled()]
        return [error for task in ended if (error := task.exception()) is not None]

    async def _keep(self, member: Member) -> None:
        while member.is_wanted:
            member.process = await WorkerProcess.start(self._env, self._arguments, partial(self._listen, member))
            self.lines.append(member.process.lines)
            self.counts["started"] += 1
            code = await member.process.process.wait()
            if member.is_wanted:
                self.counts["ended unasked"] += code >= 0
                await asyncio.sleep(member.rests_seconds)
                member.rests_seconds = RESTART_SECONDS

    def _listen(self, member: Member, line: str) -> None:
        if line == BETWEEN_STEPS:
            self._between_steps.put_nowait(member)

    async def _kill(self, member: Member, rests_seconds: float) -> None:
        if member.process is not None:
            member.rests_seconds = rests_seconds
            self.counts["killed"] += 1
            await member.process.kill()

    async def _dismiss(self, member: Member) -> None:
        member.is_wanted = False
        if member.process is not None:
            code = await member.process.process.terminate(STOP_SECONDS_MAX)
            self.counts["left in order" if code == 0 else "left otherwise"] += 1

    def _wanted(self) -> list[Member]:
        return [member for member in self._members if member.is_wanted]

    def _pick(self, choice: float) -> Member | None:
        running = [
            member
            for member in self._wanted()
            if member.process is not None and member.process.process.returncode is None
        ]
        return running[int(choice * len(running))] if running else None
