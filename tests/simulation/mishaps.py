"""Faults, as they happen to workers and to what is around them."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from pipeline.stream.table import CHANGELOG
from tests.simulation.broker import Broker
from tests.simulation.faults import Fault, FaultKind
from tests.simulation.loop import Loop, in_nobodys_name
from tests.simulation.network import Ambush, Network, Note
from tests.simulation.traffic import Traffic
from tests.simulation.worker import Worker

WORKERS_MAX: Final = 3
SKEWS_MS: Final = (-3000, -400, 0, 0, 700)
TROUBLE: Final = 0.3
LOOKS_AFTER_SECONDS: Final = (0.4, 0.8)
"""What a worker that goes on too late has done by then is soon made good by the rightful owner."""
SLOWNESS: Final = 20.0


class Mishaps:
    """Lets faults happen to `workers`, which others add to and take from; `look` is called when harm may show."""

    def __init__(
        self,
        workers: list[Worker],
        *,
        join: Callable[[], None],
        look: Callable[[], None],
        loop: Loop,
        broker: Broker,
        network: Network,
        traffic: Traffic,
        chance: random.Random,
        note: Note,
    ) -> None:
        self._workers: Final = workers
        self._join: Final = join
        self._look: Final = look
        self._loop: Final = loop
        self._broker: Final = broker
        self._network: Final = network
        self._traffic: Final = traffic
        self._chance: Final = chance
        self._note: Final = note
        self._to_one: Final[Mapping[FaultKind, Callable[[Worker, Fault], None]]] = {
            "kill": lambda worker, _: worker.kill(),
            "stop": lambda worker, _: worker.stop(),
            "pause": self._pause,
            "kill at a request": self._lie_in_wait,
            "pause at a request": self._lie_in_wait,
        }
        self._to_all: Final[Mapping[FaultKind, Callable[[Fault], Awaitable[None]]]] = {
            "join": self._let_join,
            "leader": self._change_leaders,
            "compaction": self._compact,
            "trouble": self._trouble,
            "slowness": self._slow_down,
            "silence": self._fall_silent,
            "all off": self._kill_all,
            "broker away": self._take_broker_away,
        }

    async def happen(self, fault: Fault) -> None:
        """Let one fault happen, after its rest, and return when it is over; a pause goes on by itself."""
        await asyncio.sleep(fault.rest_seconds)
        self._note("fault", fault.kind, f"{fault.seconds:.2f} s")
        if fault.kind in self._to_all:
            await self._to_all[fault.kind](fault)
        elif self._workers:
            self._to_one[fault.kind](self._workers[int(fault.choice * len(self._workers))], fault)

    def calm_down(self) -> None:
        """Let nothing more happen."""
        self._note("calm")
        self._network.ambushes.clear()

    def _lie_in_wait(self, worker: Worker, fault: Fault) -> None:
        def strike() -> None:
            if worker.is_over:
                return
            self._note("strikes", worker.name)
            if fault.kind == "kill at a request":
                worker.kill()
            else:
                self._pause(worker, fault)

        self._network.ambushes.append(Ambush(worker.process, fault.moment, fault.requests, strike))

    def _pause(self, worker: Worker, fault: Fault) -> None:
        if not worker.process.is_stopped:
            self._note("stopped", worker.name)
            worker.process.is_stopped = True
            self._loop.call_later(fault.seconds, self._go_on, worker, context=in_nobodys_name())

    def _go_on(self, worker: Worker) -> None:
        if worker.process.is_stopped:
            self._note("goes on", worker.name)
            self._loop.resume(worker.process)
            for seconds in LOOKS_AFTER_SECONDS:
                self._loop.call_later(seconds, self._look, context=in_nobodys_name())

    async def _let_join(self, _: Fault) -> None:
        if len(self._workers) < WORKERS_MAX:
            self._join()

    async def _change_leaders(self, _: Fault) -> None:
        for log in self._broker.logs.values():
            log.skew_ms = self._chance.choice(SKEWS_MS)

    async def _compact(self, fault: Fault) -> None:
        for number in range(self._broker.partitions):
            self._broker.log(CHANGELOG.name, number).compact(forgets_deleted=fault.choice < 0.5)

    async def _trouble(self, fault: Fault) -> None:
        self._network.trouble = TROUBLE
        await asyncio.sleep(fault.seconds)
        self._network.trouble = 0.0

    async def _slow_down(self, fault: Fault) -> None:
        self._network.slowness = SLOWNESS
        await asyncio.sleep(fault.seconds)
        self._network.slowness = 1.0

    async def _fall_silent(self, fault: Fault) -> None:
        self._traffic.flows.clear()
        await asyncio.sleep(fault.seconds)
        self._traffic.flows.set()

    async def _take_broker_away(self, fault: Fault) -> None:
        self._broker.is_there.clear()
        await asyncio.sleep(fault.seconds)
        self._broker.is_there.set()

    async def _kill_all(self, fault: Fault) -> None:
        for worker in list(self._workers):
            worker.kill()
        await asyncio.sleep(fault.seconds)
