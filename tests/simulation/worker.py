"""One worker: the stage's own code around a client that stands in.

Of the stage everything runs that has to do with what is said, and in which order: `owned`, `agent`, `lifecycle`,
`commit`, `fence`, `ticks`, the table's two hooks and the consumer's loop; put together as `app` and `worker` do it.
"""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.errors import KafkaError

from pipeline.adapters.clock import Clock
from pipeline.errors import BrokerUnavailable, Stalled
from pipeline.stream.agent import apply_batches
from pipeline.stream.batches import BatchQueue
from pipeline.stream.bulk import Intake
from pipeline.stream.commit import Checkpoints
from pipeline.stream.fence import Fence, NoFence
from pipeline.stream.owned import Owned
from pipeline.stream.table import CHANGELOG
from pipeline.stream.ticks import run_ticks, write_default_timeout
from pipeline.stream.worker import SESSIONS_LOST_MAX, _watch_stuck
from tests.simulation.broker import Broker
from tests.simulation.group import Group
from tests.simulation.loop import CURRENT, Loop, Process
from tests.simulation.network import Connection, Network
from tests.simulation.producers import SimulatedFence, SimulatedProducer
from tests.simulation.rebalances import Rebalances
from tests.unit.stream.logs import LOG_ID, REPLY_PARTITIONS

DRAIN_SECONDS_MAX: Final = 3.0
FETCH_BYTES_MAX: Final = 1 << 20
EXPECTED: Final = (BrokerUnavailable, Stalled)
"""What may end a worker; a supervisor starts it anew."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How the workers of a simulation are set, in seconds and records."""

    thread_timeout: float = 1.2
    session: float = 1.5
    heartbeat: float = 0.3
    tick: float = 0.4
    flush: float = 0.25
    commit: float = 1.0
    handing: float = 0.005
    """From the thread of the Kafka client to the loop."""
    batch_records_max: int = 50


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the workers of a simulation share."""

    loop: Loop
    clock: Clock
    broker: Broker
    group: Group
    network: Network
    pace: Pace
    is_fenced: bool
    keeps_metadata: bool


class Worker:
    """A process from its start to its end, of which `on_end` is told."""

    def __init__(self, name: str, around: Surroundings, on_end: Callable[["Worker"], None]) -> None:
        self.name: Final = name
        self.process: Final = Process(name)
        self.is_over = False
        self._around: Final = around
        self._on_end: Final = on_end
        self._connection: Final = Connection(around.network, self.process)
        self._tasks: Final[list[asyncio.Task[None]]] = []
        self._ended: Final[asyncio.Future[BaseException | None]] = around.loop.create_future()
        self._owned: Final = Owned(LOG_ID)
        self._publisher: Final = SimulatedProducer(around.broker, self._connection, self._owner)
        self._fence: Final[Fence] = (
            SimulatedFence(around.broker, self._connection) if around.is_fenced else NoFence(self._publisher)
        )
        self._checkpoints: Final = Checkpoints(
            self._owned,
            publisher=self._publisher,
            changelog_of=self._fence.writer_of,
            commit_offsets=self._commit_offsets,
            keeps_metadata=around.keeps_metadata,
            reply_partitions=REPLY_PARTITIONS,
            clock=around.clock,
        )
        self._intake: Final = Intake(
            self._owned,
            changelog=CHANGELOG.name,
            fetch_bytes_max=FETCH_BYTES_MAX,
            commit=self._checkpoints.commit_all,
            batches=BatchQueue(bytes_max=FETCH_BYTES_MAX),
        )
        self._rebalances: Final = Rebalances(
            self,
            self._intake,
            around.broker,
            around.group,
            self._connection,
            give_up=self._checkpoints.drop_all,
            records_max=around.pace.batch_records_max,
            handing_seconds=around.pace.handing,
        )
        self._set_table_up()

    def start(self) -> None:
        """Begin; nothing happens before the loop turns."""
        self.begin(self._run)

    def stop(self) -> None:
        """Ask it to end, as SIGTERM does."""
        if not self._ended.done():
            self._ended.set_result(None)

    def kill(self) -> None:
        """End it as SIGKILL does: nothing more leaves it, and it says goodbye to nobody."""
        if not self.is_over:
            self.is_over = True
            self._connection.is_cut = True
            for task in self._tasks:
                task.cancel()
            self._around.loop.resume(self.process)  # if it was stopped its tasks would never end; nobody hears of them
            self._on_end(self)

    async def wait_until_over(self) -> None:
        """Return when none of its tasks is left."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def begin(self, body: Callable[..., Any], *arguments: Any) -> "asyncio.Task[None]":
        """Run something in the name of this process; what fails ends it."""
        here = contextvars.copy_context()
        here.run(CURRENT.set, self.process)
        task = self._around.loop.create_task(self._crash_with(body, *arguments), context=here)
        self._tasks.append(task)
        return task

    def call(self, function: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> "asyncio.Task[Any]":
        """Run something in another thread of this process; what fails is for whoever asked."""
        here = contextvars.copy_context()
        here.run(CURRENT.set, self.process)
        task = self._around.loop.create_task(function(*arguments), context=here)
        self._tasks.append(task)
        return task

    def crash(self, error: BaseException) -> None:
        """End because of an error."""
        if not self._ended.done():
            self._ended.set_result(error)

    async def _crash_with(self, body: Callable[..., Any], *arguments: Any) -> None:
        try:
            await body(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the process
            self.crash(error)

    async def _run(self) -> None:
        pace = self._around.pace
        self.begin(self._rebalances.coordinate)
        self.begin(self._rebalances.beat, pace.heartbeat)
        self.begin(self._rebalances.commit_each, pace.commit)
        self.begin(apply_batches, self._intake.batches, self._checkpoints)
        self.begin(self._checkpoints.run_flushes, pace.flush)
        self.begin(run_ticks, self._owned, self._publisher, pace.tick)
        self.begin(_watch_stuck, self._owned, SESSIONS_LOST_MAX * pace.session)
        reason = await self._ended
        self._around.network.note(self.name, "ends", "as asked" if reason is None else repr(reason))
        if reason is not None and not isinstance(reason, EXPECTED):
            self._around.loop.failures.append(f"{self.name} ended with {reason!r}")
        await self._leave()
        self.kill()

    async def _leave(self) -> None:
        """Commit what was applied and leave the group, as Faust does also where it crashed."""
        try:
            async with asyncio.timeout(DRAIN_SECONDS_MAX):
                await self._rebalances.stop()
                await self._fence.give_up()
                await self._rebalances.leave()
        except (*EXPECTED, KafkaError, TimeoutError) as error:
            self._around.network.note(self.name, "left without a word", repr(error))

    def _set_table_up(self) -> None:
        async def on_begin() -> None:
            await write_default_timeout(self._owned, self._publisher, round(self._around.pace.thread_timeout * 1000))

        table = self._rebalances.table
        table.owned, table.fence, table.clock = self._owned, self._fence, self._around.clock
        table.polling, table.on_begin = self._intake.polling, on_begin

    async def _commit_offsets(self, offsets: Any) -> bool:
        return await self._rebalances.commit_offsets(offsets)

    def _owner(self) -> str:
        """Return in whose name outputs are said: each assignment begins anew."""
        return f"{self.name}/{self._rebalances.assignments}"
