import asyncio
from uuid import UUID

import pytest

from pipeline.adapters.clock import ManualClock
from pipeline.adapters.telemetry.metrics import GATEWAY_OVERLOADS
from pipeline.adapters.web.budget import ByteBudget
from pipeline.errors import BrokerUnavailable, Overloaded
from pipeline.events.controls import Command
from pipeline.events.envelope import HEADER_KIND, HEADER_REPLY_TO, HEADER_REQUEST_ID, Record
from pipeline.events.identity import ThreadRef, parse_thread_key
from pipeline.gateway.commands import Commands
from pipeline.gateway.publish import Publisher
from pipeline.topics import TRACES
from tests.support.gateway import MemoryProducer, ScriptedReplies, gateway_settings


def close(thread_id: str) -> Record:
    return Command(requested_at_us=1).record("close", ThreadRef("w", UUID(int=1), thread_id), None)


class Parts:
    def __init__(self, timeout_seconds: float = 5.0) -> None:
        self.producer = MemoryProducer()
        self.replies = ScriptedReplies(self.producer)
        settings = gateway_settings(command_timeout_seconds=timeout_seconds, retry_after_seconds=6)
        publisher = Publisher(settings, self.producer, ByteBudget(1 << 20, retry_after_seconds=1))
        self.commands = Commands(settings, ManualClock(), publisher, self.replies)


async def test_each_command_carries_where_its_answer_goes_behind_what_it_is() -> None:
    parts = Parts()

    await parts.commands.ask("close", [close("a"), close("b")])

    [first, second] = parts.producer.of(TRACES)
    assert first.headers[0] == (HEADER_KIND, b"close")
    assert dict(first.headers)[HEADER_REPLY_TO] == b"3"
    assert dict(first.headers)[HEADER_REQUEST_ID] != dict(second.headers)[HEADER_REQUEST_ID]
    assert first.value == close("a").value


async def test_answers_come_back_in_the_order_of_the_commands() -> None:
    parts = Parts()
    parts.replies.decide = lambda record: (
        "refused" if parse_thread_key(record.key or b"").thread_id == "b" else "applied"
    )

    answers = await parts.commands.ask("score", [close("a"), close("b"), close("c")])

    assert [answer.outcome for answer in answers] == ["applied", "refused", "applied"]


async def test_one_answer_that_does_not_come_is_overload() -> None:
    parts = Parts(timeout_seconds=0.01)
    parts.replies.decide = lambda record: None if parse_thread_key(record.key or b"").thread_id == "b" else "applied"
    before = GATEWAY_OVERLOADS.labels("command_timeout")._value.get()

    with pytest.raises(Overloaded) as refusal:
        await parts.commands.ask("close", [close("a"), close("b")])

    assert refusal.value.retry_after_seconds == 6
    assert GATEWAY_OVERLOADS.labels("command_timeout")._value.get() == before + 1


async def test_a_kafka_that_takes_no_commands_is_not_waited_for() -> None:
    parts = Parts()
    parts.producer.break_down()

    with pytest.raises(BrokerUnavailable):
        async with asyncio.timeout(60):
            await parts.commands.ask("close", [close("a")])
