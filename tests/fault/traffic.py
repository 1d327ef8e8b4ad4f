"""Traces and commands of many conversations, some of them always falling silent and coming back."""

import asyncio
import random
from collections import Counter
from decimal import Decimal
from typing import Final, get_args

from pipeline.adapters.kafka.producer import EventProducer
from pipeline.errors import BrokerUnavailable
from pipeline.events.controls import Command, CommandKind, ReplyTo
from pipeline.events.envelope import Record, headers_of
from pipeline.events.identity import DEFAULT_PROJECT_NAME, ThreadRef, project_id, thread_key, thread_model_id
from pipeline.events.scores import ScoreEvent
from pipeline.topics import THREAD_REPLIES, TRACES

ROUND_SECONDS: Final = 0.1
COMMAND_KINDS: Final[tuple[CommandKind, ...]] = get_args(CommandKind)
WORKSPACE: Final = "default"
PROJECT: Final = project_id(WORKSPACE, DEFAULT_PROJECT_NAME)


class Traffic:
    """Writes `rate` traces a second to some of `threads` conversations, and a command with every fiftieth."""

    def __init__(self, producer: EventProducer, *, seed: int, rate: int, threads: int) -> None:
        self._producer: Final = producer
        self._chance: Final = random.Random(seed)
        self._records_each_round: Final = round(rate * ROUND_SECONDS)
        self._threads: Final = threads
        self.flows: Final = asyncio.Event()
        self.flows.set()
        self.sent: Final[Counter[str]] = Counter()

    async def run(self) -> None:
        """Write until cancelled. What a broker that is away has not confirmed may stand in the log or not."""
        while True:
            await self.flows.wait()
            records = [self._activity() for _ in range(self._records_each_round)]
            records += [self._command() for _ in range(max(1, len(records) // 50))]
            self._chance.shuffle(records)
            try:
                await self._producer.publish(TRACES, records)
            except BrokerUnavailable:
                self.sent["rounds not confirmed"] += 1
            await asyncio.sleep(ROUND_SECONDS)

    def _activity(self) -> Record:
        self.sent["traces"] += 1
        return Record(thread_key(self._thread()), b'{"event":"create"}', headers_of("trace"))

    def _command(self) -> Record:
        kind = self._chance.choice(COMMAND_KINDS)
        self.sent["commands"] += 1
        about = self._thread()
        reply_to = ReplyTo(self._chance.randrange(THREAD_REPLIES.partitions or 1), f"request {self.sent['commands']}")
        score = _score_of(about) if kind in ("score", "unscore") else None
        return Command(requested_at_us=1, score=score).record(kind, about, reply_to)

    def _thread(self) -> ThreadRef:
        return ThreadRef(WORKSPACE, PROJECT, f"conversation {self._chance.randrange(self._threads)}")


def _score_of(about: ThreadRef) -> ScoreEvent:
    return ScoreEvent(
        workspace=about.workspace,
        version_us=1,
        received_at_us=1,
        entity_type="thread",
        entity_id=thread_model_id(about.project_id, about.thread_id),
        event="set",
        name="helpful",
        author="Ada",
        value=Decimal("0.5"),
        source="sdk",
    )
