"""A gateway whose Kafka is memory: what it publishes can be looked at, what the stream answers can be said."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from unittest import mock
from uuid import UUID

import msgspec

from pipeline.adapters.clock import ManualClock
from pipeline.adapters.kafka.rules import RuleLog
from pipeline.adapters.web.app import build
from pipeline.adapters.web.metering import Metering
from pipeline.errors import BrokerUnavailable, StorageUnavailable
from pipeline.events.annotations import CommentPlace
from pipeline.events.controls import ReplyTo
from pipeline.events.dead_letters import DeadLetter, bytes_of
from pipeline.events.envelope import HEADER_KIND, HEADER_REPLY_TO, HEADER_REQUEST_ID, Record
from pipeline.events.identity import NIL_ID
from pipeline.events.scores import EntityType
from pipeline.events.threads import CommandReply
from pipeline.gateway.gateway import Gateway
from pipeline.gateway.lookup import Storage
from pipeline.settings import GatewaySettings, KafkaSettings
from pipeline.topics import DEAD_LETTERS, Topic

Told = TypeVar("Told")

RECEIVED_AT_US = 1_700_000_000_000_000
"""What the clock of these tests says."""
PARTITIONS = 3
ENTITY_TYPES: tuple[EntityType, ...] = ("trace", "span", "thread")


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

    async def partitions(self, _: Topic) -> int:
        await self.confirms.wait()
        if self.failure is not None:
            raise self.failure
        return PARTITIONS

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


class MemoryStorage:
    """Knows what it is told, once it was asked `asks_before_known` times; None is not there to be asked."""

    def __init__(self) -> None:
        self.threads: dict[tuple[str, UUID, str], bool] | None = {}
        self.models: set[tuple[str, UUID]] | None = set()
        self.comments: dict[tuple[str, EntityType, UUID], CommentPlace] | None = {}
        self.asks_before_known = 0
        self.asks = 0

    def add_comment(
        self, workspace: str, entity_type: EntityType, comment: UUID, entity: UUID = NIL_ID, *, is_deleted: bool = False
    ) -> None:
        assert self.comments is not None
        self.comments[workspace, entity_type, comment] = CommentPlace(entity, is_deleted)

    async def thread_exists(self, workspace: str, project: UUID, thread_id: str) -> bool:
        return self._told(self.threads).get((workspace, project, thread_id), False)

    async def thread_model_exists(self, workspace: str, model_id: UUID) -> bool:
        return (workspace, model_id) in self._told(self.models) and self._is_stored()

    async def comment_places(
        self, workspace: str, entity_type: EntityType, comment_ids: Sequence[UUID]
    ) -> Mapping[UUID, CommentPlace]:
        told = self._told(self.comments)
        places = {one: told.get((workspace, entity_type, one)) for one in comment_ids} if self._is_stored() else {}
        return {one: place for one, place in places.items() if place is not None}

    def _told(self, what: Told | None) -> Told:
        self.asks += 1
        if what is None:
            raise StorageUnavailable("away")
        return what

    def _is_stored(self) -> bool:
        return self.asks > self.asks_before_known


class MemoryRules(RuleLog):
    """Rules that no topic feeds: what is written here is all there is."""

    async def start(self) -> None:
        """Read nothing."""

    async def stop(self) -> None:
        """Stop nothing."""


class MemoryGateway:
    """The whole gateway over a memory producer."""

    def __init__(self, *, storage: Storage | None = None, **settings: Any) -> None:
        self.producer = MemoryProducer()
        self.replies = ScriptedReplies(self.producer)
        self.clock = ManualClock(RECEIVED_AT_US)
        self.rules = MemoryRules(KafkaSettings())
        self.gateway = Gateway(
            gateway_settings(**settings), self.clock, self.producer, self.replies, storage=storage, rules=self.rules
        )
        self.app: Metering = build({"gateway": self.gateway.routes()}, clock=self.clock)


def kind_of(record: Record) -> str:
    """Return the kind that a record's first header names."""
    name, value = record.headers[0]
    assert name == HEADER_KIND
    return value.decode()
