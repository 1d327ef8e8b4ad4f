"""Answers to commands: one partition of `thread-replies`, read from its end by the process that named it.

Processes choose their partition at random and may share one; an answer that nobody here waits for is another's, or came
too late.
"""

import asyncio
import random
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.adapters.kafka.admin import partitions_of
from pipeline.adapters.kafka.closing import close_consumer
from pipeline.adapters.kafka.connection import connection_of
from pipeline.adapters.telemetry import logs
from pipeline.adapters.telemetry.metrics import GATEWAY_OVERLOADS, GATEWAY_REPLIES
from pipeline.errors import BrokerUnavailable, Overloaded
from pipeline.events.controls import ReplyTo
from pipeline.events.threads import REPLY_DECODER, CommandReply
from pipeline.settings import KafkaSettings
from pipeline.topics import THREAD_REPLIES

_RETRY_SECONDS: Final = 0.5
_FETCH_WAIT_MS: Final = 250

_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class ExpectedReply:
    """An answer that is being waited for."""

    reply_to: ReplyTo
    answer: asyncio.Future[CommandReply]


class ReplyReader:
    """Reads the answers that were asked to come to this process."""

    def __init__(self, settings: KafkaSettings, *, waiters_max: int, retry_after_seconds: int = 1) -> None:
        self._settings: Final = settings
        self._waiters_max: Final = waiters_max
        self._retry_after_seconds: Final = retry_after_seconds
        self._process: Final = secrets.token_hex(8)
        self._numbers: Final = count()
        self._waiting: Final[dict[str, asyncio.Future[CommandReply]]] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._reading: asyncio.Task[None] | None = None
        self._partition = 0

    @property
    def partition(self) -> int:
        """The partition of `thread-replies` that is read; meaningful once started."""
        return self._partition

    async def start(self) -> None:
        """Choose a partition and stand at its end; raises BrokerUnavailable where Kafka does not answer."""
        consumer = AIOKafkaConsumer(
            **connection_of(self._settings),
            client_id="threadline-gateway-replies",
            enable_auto_commit=False,
            auto_offset_reset="latest",
            isolation_level="read_committed",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            request_timeout_ms=self._settings.request_timeout_ms,
        )
        try:
            await consumer.start()
            await self._stand_at_end(consumer)
        except KafkaError as error:
            await close_consumer(consumer)
            raise BrokerUnavailable(f"no answers can be read from {self._settings.bootstrap}: {error!r}") from error
        self._consumer = consumer
        self._reading = asyncio.create_task(self._read(consumer))
        self._reading.add_done_callback(_look)

    async def stop(self) -> None:
        """Stop reading; who still waits is told Overloaded."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
            self._reading = None
        if self._consumer is not None:
            await close_consumer(self._consumer)
            self._consumer = None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(self._overloaded("the gateway is stopping"))

    @contextmanager
    def expect(self, count: int) -> Iterator[Sequence[ExpectedReply]]:
        """Expect `count` answers until the block is left.

        Raises Overloaded where more than `waiters_max` would be waited for.
        """
        if len(self._waiting) + count > self._waiters_max:
            GATEWAY_OVERLOADS.labels("commands_in_flight").inc()
            raise self._overloaded(f"{len(self._waiting):,} commands wait for the stream's decision")
        loop = asyncio.get_running_loop()
        expected = []
        for _ in range(count):
            request_id = f"{self._process}-{next(self._numbers)}"
            answer: asyncio.Future[CommandReply] = loop.create_future()
            self._waiting[request_id] = answer
            expected.append(ExpectedReply(ReplyTo(self._partition, request_id), answer))
        try:
            yield expected
        finally:
            for reply in expected:
                del self._waiting[reply.reply_to.request_id]
                reply.answer.cancel()

    def _overloaded(self, reason: str) -> Overloaded:
        return Overloaded(reason, retry_after_seconds=self._retry_after_seconds)

    async def _stand_at_end(self, consumer: AIOKafkaConsumer) -> None:
        self._partition = random.randrange(partitions_of(THREAD_REPLIES, self._settings))
        place = TopicPartition(THREAD_REPLIES.name, self._partition)
        consumer.assign([place])
        await consumer.seek_to_end(place)
        await consumer.position(place)  # looked up now: an answer may come before the first read

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                async for message in consumer:
                    self._settle(message.value)
            except KafkaError as error:
                _log.warning("answers cannot be read, trying again", reason=repr(error))
                await asyncio.sleep(_RETRY_SECONDS)

    def _settle(self, value: bytes) -> None:
        try:
            reply = REPLY_DECODER.decode(value)
        except msgspec.DecodeError as error:
            GATEWAY_REPLIES.labels("undecodable").inc()
            _log.warning("an answer is not what its schema says", reason=str(error))
            return
        answer = self._waiting.get(reply.request_id)
        if answer is None or answer.done():
            GATEWAY_REPLIES.labels("unclaimed").inc()
            return
        GATEWAY_REPLIES.labels("claimed").inc()
        answer.set_result(reply)


def _look(reading: asyncio.Task[None]) -> None:
    """Say that no answer will be read any more; commands then end with their timeout, as overload."""
    if not reading.cancelled() and (error := reading.exception()):
        _log.critical("answers are not read any more", exc_info=error)
