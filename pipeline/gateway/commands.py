"""Put commands about threads into their log, and wait for what the stream decides.

A command is a wish: where it stands among the traces of its thread decides what becomes of it, so only the stream can
answer. The answer comes back through the one partition of `thread-replies` that this process reads.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

import msgspec

from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry.metrics import GATEWAY_COMMAND_SECONDS, GATEWAY_OVERLOADS
from pipeline.errors import Overloaded
from pipeline.events.controls import CommandKind, ReplyTo
from pipeline.events.envelope import Record
from pipeline.events.threads import CommandReply
from pipeline.gateway.publish import Publisher
from pipeline.settings import GatewaySettings
from pipeline.topics import TRACES


class Expected(Protocol):
    """An answer that is being waited for: `adapters.kafka.replies.ExpectedReply`."""

    @property
    def reply_to(self) -> ReplyTo:
        """Where the answer must go."""

    @property
    def answer(self) -> asyncio.Future[CommandReply]:
        """Done when it is there."""


class Replies(Protocol):
    """What receives answers: `adapters.kafka.replies.ReplyReader`."""

    async def start(self) -> None:
        """Begin to read; raises BrokerUnavailable."""

    async def stop(self) -> None:
        """Stop reading."""

    def expect(self, count: int) -> AbstractContextManager[Sequence[Expected]]:
        """Expect `count` answers until the block is left; raises Overloaded where too many are expected already."""


class Commands:
    """Sends commands and returns their answers."""

    def __init__(self, settings: GatewaySettings, clock: Clock, publisher: Publisher, replies: Replies) -> None:
        self._settings: Final = settings
        self._clock: Final = clock
        self._publisher: Final = publisher
        self._replies: Final = replies

    async def ask(self, kind: CommandKind, commands: Sequence[Record]) -> list[CommandReply]:
        """Return the stream's answer to each of `commands`, records of one kind, in their order.

        Raises Overloaded where one has not come within settings.command_timeout_seconds. The commands stand in the log
        and will be decided all the same; asking again does no harm: a score is set once, a closed thread is closed.
        Raises BrokerUnavailable where Kafka does not take them.
        """
        began = self._clock.monotonic()
        with self._replies.expect(len(commands)) as expected:
            records = [
                msgspec.structs.replace(command, headers=command.headers + awaited.reply_to.headers())
                for command, awaited in zip(commands, expected, strict=True)
            ]
            await self._publisher.publish({TRACES: records})
            try:
                async with asyncio.timeout(self._settings.command_timeout_seconds):
                    answers = await asyncio.gather(*(awaited.answer for awaited in expected))
            except TimeoutError as error:
                GATEWAY_OVERLOADS.labels("command_timeout").inc()
                raise Overloaded(
                    f"the stream has not decided within {self._settings.command_timeout_seconds:g} s",
                    retry_after_seconds=self._settings.retry_after_seconds,
                ) from error
        GATEWAY_COMMAND_SECONDS.labels(kind).observe(self._clock.monotonic() - began)
        return answers
