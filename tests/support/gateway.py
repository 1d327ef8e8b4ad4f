"""A gateway whose Kafka is memory: what it publishes can be looked at, what the stream answers can be said."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import msgspec

from pipeline.adapters.clock import ManualClock
from pipeline.adapters.web.app import build
from pipeline.adapters.web.metering import Metering
from pipeline.errors import BrokerUnavailable
from pipeline.events.controls import ReplyTo
from pipeline.events.dead_letters import DeadLetter, bytes_of
from pipeline.events.envelope import HEADER_KIND, HEADER_REPLY_TO, HEADER_REQUEST_ID, Record
from pipeline.events.threads import CommandReply
from pipeline.gateway.gateway import Gateway
from pipeline.gateway.opik.threads import ThreadExists
from pipeline.settings import GatewaySettings
from pipeline.topics import DEAD_LETTERS, Topic

RECEIVED_AT_US = 1_700_000_000_000_000
"""What the clock of these tests says."""


def gateway_settings(**values: Any) -> GatewaySettings:
    """Return settings as they are without any environment, with `values` in place of defaults."""
    with mock.patch.dict(os.environ, clear=True):
        return GatewaySettings(**values)


class MemoryProducer:
    """Keeps what is published; refuses, or never confirms, when told so."""

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {}
        self.failure: Exception | None = None
        self.confirms = asyncio.Event()
        self.confirms.set()
        self.on_publish: Callable[[Topic, Sequence[Record]], None] = lambda _topic, _records: None

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect."""

    async def publish(self, topic: Topic, records: Sequence[Record]) -> None:
        await self.confirms.wait()
        if self.failure is not None:
            raise self.failure
        self.records.setdefault(topic.name, []).extend(records)
        self.on_publish(topic, records)

    def break_down(self) -> None:
        self.failure = BrokerUnavailable("no broker")

    def of(self, topic: Topic) -> list[Record]:
        return self.records.get(topic.name, [])

    def rows(self, topic: Topic) -> list[dict[str, Any]]:
        return [msgspec.json.decode(record.value or b"") for record in self.of(topic)]

    def set_aside(self) -> list[tuple[str, bytes]]:
        """Return reason and original bytes of every dead letter."""
        letters = [msgspec.json.decode(record.value or b"", type=DeadLetter) for record in self.of(DEAD_LETTERS)]
        return [(letter.reason, bytes_of(letter.value) or b"") for letter in letters]

    def counts(self) -> Counter[str]:
        return Counter({topic: len(records) for topic, records in self.records.items()})


@dataclass(frozen=True)
class MemoryExpected:
    """An answer that is waited for."""

    reply_to: ReplyTo
    answer: asyncio.Future[CommandReply]


class ScriptedReplies:
    """Answers each command at once, as `decide` says of its record; None is no answer at all."""

    def __init__(self, producer: MemoryProducer) -> None:
        self.decide: Callable[[Record], str | None] = lambda _record: "applied"
        self._waiting: dict[str, asyncio.Future[CommandReply]] = {}
        producer.on_publish = self._decide_all

    async def start(self) -> None:
        """Begin to read."""

    async def stop(self) -> None:
        """Stop reading."""

    @contextmanager
    def expect(self, count: int) -> Iterator[list[MemoryExpected]]:
        loop = asyncio.get_running_loop()
        expected = [MemoryExpected(ReplyTo(3, f"r-{number}"), loop.create_future()) for number in range(count)]
        self._waiting = {reply.reply_to.request_id: reply.answer for reply in expected}
        yield expected

    def _decide_all(self, _: Topic, records: Sequence[Record]) -> None:
        for record in records:
            headers = dict(record.headers)
            outcome = self.decide(record) if HEADER_REPLY_TO in headers else None
            if outcome is not None:
                request_id = headers[HEADER_REQUEST_ID].decode()
                reply = msgspec.convert({"request_id": request_id, "outcome": outcome}, CommandReply)
                self._waiting[request_id].set_result(reply)


class MemoryGateway:
    """The whole gateway over a memory producer."""

    def __init__(self, *, thread_exists: ThreadExists | None = None, **settings: Any) -> None:
        self.producer = MemoryProducer()
        self.replies = ScriptedReplies(self.producer)
        self.clock = ManualClock(RECEIVED_AT_US)
        self.gateway = Gateway(
            gateway_settings(**settings), self.clock, self.producer, self.replies, thread_exists=thread_exists
        )
        self.app: Metering = build({"gateway": self.gateway.routes()}, clock=self.clock)


def kind_of(record: Record) -> str:
    """Return the kind that a record's first header names."""
    name, value = record.headers[0]
    assert name == HEADER_KIND
    return value.decode()
