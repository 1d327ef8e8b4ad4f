"""What lies between a process and the broker: delay and loss, of requests and of answers."""

import asyncio
import functools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from aiokafka.errors import KafkaError, NodeNotReadyError

from pipeline.errors import BrokerUnavailable
from tests.simulation.broker import Outdated
from tests.simulation.loop import Loop, Process, in_nobodys_name, in_the_name_of

REQUEST_SECONDS_MAX: Final = 1.0
DELAY_SECONDS_MAX: Final = 0.3
"""So short that neither a heartbeat nor a write of a killed process is later than a session lasts."""
WRITES: Final = frozenset({"publish", "publish state", "end transaction"})
OF_THE_GROUP: Final = frozenset({"join", "heartbeat", "commit offsets", "leave"})
"""The Kafka client sends these a single time, and all others again while the broker is away."""
RETRY_SECONDS: Final = 0.1

Outcome = Literal["done", "lost", "done, not confirmed", "done in part, not confirmed", "done twice"]
Moment = Literal["before", "after"]
Note = Callable[..., None]


class Fate(NamedTuple):
    """What becomes of one request, and how long it is on its way there and back."""

    outcome: Outcome
    there_seconds: float
    back_seconds: float


@dataclass(slots=True)
class Ambush:
    """Something done to a process at its `requests_left`-th request from now, before or after the broker acts."""

    process: Process
    moment: Moment
    requests_left: int
    strike: Callable[[], None]


class Network:
    """How well requests travel.

    `trouble` (0 to 1) is how likely a write fails, `slowness` multiplies all delays.
    """

    def __init__(
        self, loop: Loop, chance: random.Random, note: Note, *, delay_seconds: float, broker_is_there: asyncio.Event
    ) -> None:
        self.loop: Final = loop
        self.note: Final = note
        self._chance: Final = chance
        self._delay_seconds: Final = delay_seconds
        self.trouble = 0.0
        self.slowness = 1.0
        self.broker_is_there: Final = broker_is_there
        self.ambushes: Final[list[Ambush]] = []

    def fate_of(self, what: str) -> Fate:
        outcome: Outcome = "done"
        if what in WRITES and self._chance.random() < self.trouble:
            outcome = self._chance.choice(("lost", "done, not confirmed", "done in part, not confirmed", "done twice"))
        return Fate(outcome, self._delay(), self._delay())

    def _delay(self) -> float:
        return min(self._chance.expovariate(1 / self._delay_seconds) * self.slowness, DELAY_SECONDS_MAX)

    def pass_by(self, process: Process, moment: Moment) -> None:
        """Let whoever lies in wait for this process know that it is here."""
        for ambush in [one for one in self.ambushes if one.process is process and one.moment == moment]:
            ambush.requests_left -= 1
            if ambush.requests_left <= 0:
                self.ambushes.remove(ambush)
                ambush.strike()


class Connection:
    """Of one process; what is on its way when it is cut may still arrive, but no answer comes."""

    def __init__(self, network: Network, process: Process) -> None:
        self.network: Final = network
        self.process: Final = process
        self.is_cut = False

    async def ask(self, what: str, about: str, act: Callable[[Fate], Any], *, seconds_max: float | None = None) -> Any:
        """Let the broker `act` and return what it says.

        Raises BrokerUnavailable where no answer comes, and NodeNotReadyError where a request of the group finds nobody.
        """
        loop = self.network.loop
        if self.is_cut:
            raise BrokerUnavailable("this process is gone")
        fate = self.network.fate_of(what)
        answer = loop.create_future()
        loop.call_later(fate.there_seconds, self._arrive, what, about, act, fate, answer, context=in_nobodys_name())
        self.network.pass_by(self.process, "before")
        try:
            async with asyncio.timeout(seconds_max or REQUEST_SECONDS_MAX):
                return await answer
        except TimeoutError:
            raise BrokerUnavailable(f"{what} was not confirmed") from None

    def _arrive(
        self, what: str, about: str, act: Callable[[Fate], Any], fate: Fate, answer: "asyncio.Future[Any]"
    ) -> None:
        network = self.network
        if not network.broker_is_there.is_set():
            if what in OF_THE_GROUP:
                network.note(self.process.name, what, about, "nobody there")
                self._return(fate, answer, None, NodeNotReadyError())
            else:
                again = functools.partial(self._send_again, what, about, act, fate, answer)
                network.loop.call_later(RETRY_SECONDS, again, context=in_the_name_of(self.process))
            return
        if fate.outcome == "lost":
            network.note(self.process.name, what, about, "lost")
            return
        said: Any = None
        error: Exception | None = None
        try:
            said = act(fate)
        except (KafkaError, Outdated) as refusal:
            error = refusal
        network.note(self.process.name, what, about, fate.outcome if error is None else repr(error))
        network.pass_by(self.process, "after")
        if fate.outcome.endswith("not confirmed"):
            return
        if isinstance(said, asyncio.Future):  # the broker takes its time
            said.add_done_callback(lambda done: self._return(fate, answer, done.result(), None))
        else:
            self._return(fate, answer, said, error)

    def _send_again(
        self, what: str, about: str, act: Callable[[Fate], Any], fate: Fate, answer: "asyncio.Future[Any]"
    ) -> None:
        if not (answer.done() or self.is_cut):
            arrive = functools.partial(self._arrive, what, about, act, fate, answer)
            self.network.loop.call_later(fate.there_seconds, arrive, context=in_nobodys_name())

    def _return(self, fate: Fate, answer: "asyncio.Future[Any]", said: Any, error: Exception | None) -> None:
        def settle() -> None:
            if answer.done() or self.is_cut:
                return
            if error is None:
                answer.set_result(said)
            else:
                answer.set_exception(error)

        self.network.loop.call_later(fate.back_seconds, settle, context=in_nobodys_name())
