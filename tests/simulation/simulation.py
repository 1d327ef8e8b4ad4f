"""One schedule: workers, traffic and faults, all from one seed; then calm, and a verdict."""

import asyncio
import gc
import random
from collections.abc import Collection
from contextlib import ExitStack
from itertools import count
from typing import Final
from unittest.mock import patch

import structlog

from pipeline.stream import lifecycle
from tests.simulation.broker import Broker
from tests.simulation.faults import NEED_FENCE, FaultKind, drawn, kinds_of
from tests.simulation.group import Group
from tests.simulation.loop import Loop, in_nobodys_name
from tests.simulation.mishaps import Mishaps
from tests.simulation.network import Network
from tests.simulation.outcome import Outcome
from tests.simulation.scene import Scene
from tests.simulation.traffic import Traffic
from tests.simulation.verdict import Expectation
from tests.simulation.worker import Surroundings, Worker
from tests.support.broken_rules import Rule, broken
from tests.unit.stream.logs import START_MS

CALM_SECONDS_MAX: Final = 90.0
LOOK_SECONDS: Final = 0.5
REPLACED_AFTER_SECONDS: Final = (0.1, 1.5)
AFTERMATH_SECONDS: Final = 3.0
BETWEEN_STEPS_SECONDS: Final = 0.3  # of a stage with a broken rule
"""In which what the workers left behind notices that nobody answers any more."""


class SimulatedClock:
    """The time of the loop, as what the stage is handed."""

    def __init__(self, loop: Loop) -> None:
        self._loop: Final = loop

    def now_us(self) -> int:
        return START_MS * 1000 + round(self._loop.time() * 1e6)

    def monotonic(self) -> float:
        return self._loop.time()


class Simulation:
    """One schedule, from its seed, perhaps with faults of some `kinds` only.

    Kinds that need a fence bring one; `without_fence` takes it away, all else as it is.
    """

    def __init__(self, seed: int, *, kinds: Collection[FaultKind] | None = None, without_fence: bool = False) -> None:
        chance = random.Random(seed)
        scene = Scene.drawn(chance)
        self.scene: Final = scene
        self.outcome: Final = Outcome(seed)
        self.loop: Final = Loop(step_seconds=scene.step_seconds)
        self.clock: Final = SimulatedClock(self.loop)
        session_seconds = scene.pace.session
        has_fence = scene.is_fenced or bool(NEED_FENCE.intersection(kinds or ()))
        kinds = kinds or kinds_of(is_fenced=has_fence)
        faults = drawn(chance, kinds, count=scene.faults, session_seconds=session_seconds)
        self._faults: Final = list(faults)
        self._chance: Final = chance
        broker = Broker(self.loop.time, partitions=scene.partitions)
        network = Network(
            self.loop, chance, self._note, delay_seconds=scene.delay_seconds, broker_is_there=broker.is_there
        )
        self._around: Final = Surroundings(
            self.loop,
            self.clock,
            broker,
            Group(self.loop, broker, chance, session_seconds=session_seconds),
            network,
            scene.pace,
            is_fenced=has_fence and not without_fence,
            keeps_metadata=has_fence,
        )
        self._expectation: Final = Expectation(broker)
        self._workers: Final[list[Worker]] = []
        self._ended: Final[list[Worker]] = []
        self._numbers: Final = count(1)
        self._is_over = False

    def run(self) -> Outcome:
        """Run the schedule."""
        with ExitStack() as patches:
            patches.enter_context(patch.object(lifecycle, "SLICE_RECORDS_MAX", self.scene.slice_max))
            patches.enter_context(patch.object(lifecycle, "SLICE_DEADLINES_MAX", self.scene.slice_max))
            patches.enter_context(structlog.testing.capture_logs())
            gc.disable()  # a schedule is short, and looking for cycles takes a seventh of its time
            patches.callback(gc.enable)
            self._note("scene", repr(self.scene))
            self.loop.run(self._live())
        return self.outcome

    async def _live(self) -> None:
        around, scene = self._around, self.scene
        traffic = Traffic(around.broker, self._chance, threads=scene.threads, rest_seconds=scene.rest_seconds)
        mishaps = Mishaps(
            self._workers,
            join=self._join,
            look=self._audit,
            loop=self.loop,
            broker=around.broker,
            network=around.network,
            traffic=traffic,
            chance=self._chance,
            note=self._note,
        )
        for _ in range(scene.workers):
            self._join()
        sending = self.loop.create_task(traffic.run())
        for fault in self._faults:
            await mishaps.happen(fault)
            self._audit()
        sending.cancel()
        mishaps.calm_down()
        await self._finish()
        await self._end()

    async def _finish(self) -> None:
        """Wait until nothing is left to do."""
        until = self.loop.time() + CALM_SECONDS_MAX
        left = ["nobody has looked"]
        while left and self.loop.time() < until:
            await asyncio.sleep(LOOK_SECONDS)
            left = list(self._expectation.unfinished())
        self.outcome.wrong += left
        self._audit()

    async def _end(self) -> None:
        self._is_over = True
        for worker in list(self._workers):
            worker.kill()
        for worker in self._ended:
            await worker.wait_until_over()
        await asyncio.sleep(AFTERMATH_SECONDS)
        self.outcome.wrong += self.loop.failures
        self.outcome.verdict, again = self._expectation.judge()
        self.outcome.wrong += [*self.outcome.verdict.examples, *again]

    def _audit(self) -> None:
        if not self._is_over:
            self.outcome.wrong += self._expectation.audit()

    def _join(self) -> None:
        if not self._is_over:
            worker = Worker(f"w{next(self._numbers)}", self._around, self._replace)
            self._workers.append(worker)
            self._note("starts", worker.name)
            worker.start()

    def _replace(self, worker: Worker) -> None:
        """Let another join in the place of one that is gone, after a while."""
        self._note("is gone", worker.name)
        self._workers.remove(worker)
        self._ended.append(worker)
        if not self._is_over:
            seconds = self._chance.uniform(*REPLACED_AFTER_SECONDS)
            self.loop.call_later(seconds, self._join, context=in_nobodys_name())

    def _note(self, *what: object) -> None:
        self.outcome.steps.append((round(self.loop.time(), 6), *what))


def simulate(
    seed: int,
    *,
    kinds: Collection[FaultKind] | None = None,
    rule: Rule | None = None,
    without_fence: bool = False,
) -> Outcome:
    """Run the schedule of one seed, if need be with a rule of the stage broken."""
    simulation = Simulation(seed, kinds=kinds, without_fence=without_fence)
    if rule is None:
        return simulation.run()
    with broken(rule, simulation.clock, lambda: asyncio.sleep(BETWEEN_STEPS_SECONDS)):
        return simulation.run()
