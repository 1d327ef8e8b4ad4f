"""What is written to the log of threads: activity and commands of a few conversations, and some odd records."""

import asyncio
import random
from typing import Final

from pipeline.events.controls import Command, CommandKind, ReplyTo, Setting
from pipeline.events.envelope import Record, headers_of
from pipeline.events.identity import ThreadRef
from pipeline.topics import TRACES
from tests.simulation.broker import Broker
from tests.unit.stream.logs import REPLY_PARTITIONS, key, score_of, thread

WORKSPACES: Final = ("default", "other")
COMMANDS: Final[tuple[CommandKind, ...]] = ("close", "open", "delete", "score", "unscore")
TIMEOUTS_MS: Final = (None, 300, 800, 2000)
ODD: Final = (
    Record(b"thread\tbroken", b"{}", headers_of("trace")),
    Record(b"\xff\xfe", None, headers_of("open")),
    Record(b"018f-a-trace", b"{}", headers_of("trace")),
    Record(None, None, (("kind", b"from the future"),)),
)


class Traffic:
    """Writes a few records, then rests for `rest_seconds` on average."""

    def __init__(self, broker: Broker, chance: random.Random, *, threads: int, rest_seconds: float) -> None:
        self._broker: Final = broker
        self._chance: Final = chance
        self._threads: Final = threads
        self._rest_seconds: Final = rest_seconds
        self._commands = 0
        self.flows: Final = asyncio.Event()
        self.flows.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self.flows.wait()
            for _ in range(self._chance.choice((1, 1, 2, 6))):
                self._broker.produce(TRACES, self._some())
            await asyncio.sleep(self._chance.expovariate(1 / self._rest_seconds))

    def _some(self) -> list[Record]:
        which = self._chance.random()
        about = self._thread()
        if which < 0.68:
            return [Record(key(about.thread_id, about.workspace), b"{}", headers_of("trace"))]
        if which < 0.92:
            return [self._command(about)]
        if which < 0.97:
            return self._setting(about.workspace)
        return [self._chance.choice(ODD)]

    def _command(self, about: ThreadRef) -> Record:
        kind = self._chance.choice(COMMANDS)
        self._commands += 1
        reply_to = ReplyTo(self._chance.randrange(REPLY_PARTITIONS), f"request {self._commands}")
        score = score_of(about) if kind in ("score", "unscore") else None
        return Command(requested_at_us=7, score=score).record(kind, about, reply_to)

    def _setting(self, workspace: str) -> list[Record]:
        setting = Setting(
            workspace=workspace,
            requested_at_us=self._chance.randrange(4),
            timeout_ms=self._chance.choice(TIMEOUTS_MS),
            score_regime=self._chance.choice((None, "strict", "lenient")),
        )
        return [setting.record(number) for number in range(self._broker.partitions)]

    def _thread(self) -> ThreadRef:
        number = self._chance.randrange(self._threads)
        return thread(f"conversation {number}", WORKSPACES[number % len(WORKSPACES)])
