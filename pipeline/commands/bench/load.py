"""The log that contenders read: trace events as the gateway writes them, with a command now and then."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import uuid_utils.compat as uuids
from msgspec.structs import replace

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.events.controls import Command
from pipeline.events.envelope import Record
from pipeline.events.identity import ThreadRef, project_id
from pipeline.events.traces import TraceEvent
from pipeline.settings import KafkaSettings
from pipeline.topics import TRACES

WORKSPACE: Final = "bench"
PROJECT_NAME: Final = "Side by side"
EVENT_BYTES: Final = 1024
RECORDS_PER_COMMAND: Final = 1000
"""One record in so many closes a thread; the others are activity."""

_WORDS: Final = "the answer to this question is in the second part of the document that we have read before "
_PUBLISH_RECORDS: Final = 5000


@dataclass(frozen=True, slots=True)
class Load:
    """So many records over so many threads, at random but the same for the same seed."""

    events: int
    threads: int
    seed: int = 1
    event_bytes: int = EVENT_BYTES


def thread_of(number: int) -> ThreadRef:
    """Return one of the threads of the bench."""
    return ThreadRef(WORKSPACE, project_id(WORKSPACE, PROJECT_NAME), f"conversation-{number}")


def mixed_records(load: Load, clock: Clock) -> Iterator[Record]:
    """Yield the records of `load`: traces of `event_bytes` each, and a command after each RECORDS_PER_COMMAND - 1."""
    chance = random.Random(load.seed)
    for number in range(1, load.events + 1):
        thread = thread_of(chance.randrange(load.threads))
        if number % RECORDS_PER_COMMAND == 0:
            yield Command(requested_at_us=clock.now_us()).record("close", thread, None)
        else:
            yield _of_size(_turn(thread, clock), load.event_bytes).record()


def first_turns(threads: int, clock: Clock) -> Iterator[Record]:
    """Yield one small trace of each thread; what its payload is makes no difference to what is remembered of it."""
    for number in range(threads):
        yield _turn(thread_of(number), clock).record()


def whole_conversations(threads: int, turns: int, clock: Clock) -> Iterator[Record]:
    """Yield, thread by thread, `turns` traces of EVENT_BYTES each."""
    for number in range(threads):
        thread = thread_of(number)
        for _ in range(turns):
            yield _of_size(_turn(thread, clock), EVENT_BYTES).record()


async def publish(kafka: KafkaSettings, records: Iterator[Record]) -> None:
    """Publish all `records` to the log of threads, as fast as the broker takes them."""
    async with EventProducer(kafka, client_id="threadline-bench") as producer:
        while batch := list(islice(records, _PUBLISH_RECORDS)):
            await producer.publish(TRACES, batch)


async def publish_paced(
    kafka: KafkaSettings,
    records: Iterator[Record],
    clock: Clock,
    *,
    per_second: float,
    records_at_once: int = _PUBLISH_RECORDS // 5,
) -> None:
    """Publish all `records` to the log of threads, `per_second` of them, or as fast as can be where that is slower."""
    began_at = clock.monotonic()
    sent = 0
    async with EventProducer(kafka, client_id="threadline-bench") as producer:
        while batch := list(islice(records, records_at_once)):
            await asyncio.sleep(max(0.0, began_at + sent / per_second - clock.monotonic()))
            await producer.publish(TRACES, batch)
            sent += len(batch)


def _turn(thread: ThreadRef, clock: Clock) -> TraceEvent:
    now_us = clock.now_us()
    return TraceEvent(
        workspace=WORKSPACE,
        version_us=now_us,
        received_at_us=now_us,
        id=uuids.uuid7(),
        event="create",
        project_id=thread.project_id,
        project_name=PROJECT_NAME,
        thread_id=thread.thread_id,
        name="chat",
        start_time_us=now_us,
        end_time_us=now_us,
        source="sdk",
    )


def _of_size(event: TraceEvent, size_bytes: int) -> TraceEvent:
    """Fill question and answer until the encoded event has `size_bytes`."""
    bare = replace(event, input='{"question":""}', output='{"answer":""}')
    spare = max(0, size_bytes - len(bare.record().value or b""))
    text = (_WORDS * (spare // len(_WORDS) + 1))[:spare]
    half = spare // 2
    return replace(event, input=f'{{"question":"{text[:half]}"}}', output=f'{{"answer":"{text[half:]}"}}')
