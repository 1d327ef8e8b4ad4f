"""A real worker on a real broker, killed in the middle of its work: all that it says must follow from the log alone."""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics, read_log_ids
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.events.controls import Command, ReplyTo
from pipeline.events.envelope import Record, headers_of
from pipeline.events.identity import DEFAULT_PROJECT_NAME, ThreadRef, project_id, thread_key
from pipeline.local.broker import EmbeddedBroker
from pipeline.local.process import free_port
from pipeline.settings import KafkaSettings
from pipeline.topics import THREAD_REPLIES, THREADS, TRACES
from tests.apache_kafka.broker import ApacheKafka
from tests.integration.stream.worker_process import WorkerProcess, committed, comparable, emitted, read_all
from tests.support.waiting import eventually
from tests.unit.stream.oracle import expected

PARTITIONS = 4
THREADS_ACTIVE = 200
ROUNDS = 40
ROUND_SECONDS = 0.2
TIMEOUT_SECONDS = 2
WORKSPACE = "default"
PROJECT = project_id(WORKSPACE, DEFAULT_PROJECT_NAME)

BROKERS = ["embedded", pytest.param("apache_kafka", marks=pytest.mark.apache_kafka)]


class Broker(Protocol):
    @property
    def bootstrap(self) -> str: ...
    async def start(self) -> None: ...
    async def kill(self) -> None: ...


@pytest_asyncio.fixture(params=BROKERS)
async def kafka(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KafkaSettings]:
    is_embedded = request.param == "embedded"
    broker: Broker = EmbeddedBroker(free_port()) if is_embedded else ApacheKafka(tmp_path / "kafka")
    await broker.start()
    settings = KafkaSettings(
        bootstrap=broker.bootstrap,
        partitions=PARTITIONS,
        session_timeout_ms=6000,
        heartbeat_interval_ms=1000,
        last_record_alone=is_embedded,
    )
    try:
        await ensure_topics(settings, SystemClock())
        yield settings
    finally:
        await broker.kill()


Start = Callable[..., Awaitable[WorkerProcess]]


@pytest_asyncio.fixture
async def start(kafka: KafkaSettings) -> AsyncIterator[Start]:
    """Start workers of this broker; all are gone in the end."""
    workers: list[WorkerProcess] = []

    async def start_one(**env: str) -> WorkerProcess:
        workers.append(await WorkerProcess.start(env_of(kafka, **env)))
        return workers[-1]

    yield start_one
    for number, worker in enumerate(workers):
        await worker.kill()
        sys.stdout.write("\n".join([f"-- worker {number}", *worker.lines[-80:], ""]))  # shown if the test failed


def env_of(kafka: KafkaSettings, **more: str) -> Mapping[str, str]:
    names = ("bootstrap", "partitions", "session_timeout_ms", "heartbeat_interval_ms", "last_record_alone")
    return {
        **{f"THREADLINE_KAFKA_{name.upper()}": str(getattr(kafka, name)) for name in names},
        "OPIK_TRACE_THREAD_TIMEOUT_TO_MARK_AS_INACTIVE": f"{TIMEOUT_SECONDS}s",
        "THREADLINE_STREAM_TRANSACTIONS": str(not kafka.last_record_alone),  # the embedded broker has none
        "THREADLINE_OPERATION_PORT": "0",
        **more,
    }


def thread(number: int) -> ThreadRef:
    return ThreadRef(WORKSPACE, PROJECT, f"conversation {number}")


def activity(number: int) -> Record:
    return Record(thread_key(thread(number)), b'{"event":"create"}', headers_of("trace"))


async def be_active(producer: EventProducer, rounds: int, seed: int) -> None:
    """Let some threads be active now and then, so that some fall silent for longer than the timeout and come back."""
    chance = random.Random(seed)
    for _ in range(rounds):
        awake = [number for number in range(THREADS_ACTIVE) if chance.random() < 0.06]
        await producer.publish(TRACES, [activity(number) for number in awake])
        await asyncio.sleep(ROUND_SECONDS)


async def check_against_the_log(kafka: KafkaSettings) -> Counter[str]:
    """Compare all thread events with what follows from the log; return how often each was said."""
    log_id = (await read_log_ids(kafka))[TRACES.name]
    log, reached = await read_all(kafka, TRACES), await committed(kafka, TRACES)
    due, possible = set[str](), set[str]()
    for number, records in log.items():
        done = [record for record in records if record.offset < reached[number]]
        due.update(comparable(expected(done, log_id=log_id, partition=number)))
        possible.update(comparable(expected(records, log_id=log_id, partition=number)))
    said = Counter(comparable(emitted(THREADS, await read_all(kafka, THREADS))))
    answered = Counter(comparable(emitted(THREAD_REPLIES, await read_all(kafka, THREAD_REPLIES))))
    said += answered
    assert due - said.keys() == set(), "missed"
    assert said.keys() - possible == set(), "false, or repeated with other content"
    return said


async def all_are_over(kafka: KafkaSettings) -> None:
    """Return when sessions have begun, and all that have begun are over."""

    async def begun_and_over() -> tuple[int, int]:
        said = set(comparable(emitted(THREADS, await read_all(kafka, THREADS))))
        return sum('"event": "opened"' in text for text in said), sum('"event": "closed"' in text for text in said)

    await eventually(begun_and_over, lambda seen: seen[0] == seen[1] > 0)


async def test_a_worker_killed_midway_misses_nothing_and_says_nothing_false(kafka: KafkaSettings, start: Start) -> None:
    worker = await start()
    await worker.wait_until_ready()
    async with EventProducer(kafka, client_id="test") as producer:
        sending = asyncio.create_task(be_active(producer, ROUNDS, seed=1))
        await asyncio.sleep(ROUNDS * ROUND_SECONDS / 2)
        await worker.kill()
        worker = await start()
        await sending
        await worker.wait_until_ready()
    await all_are_over(kafka)
    await worker.stop()
    said = await check_against_the_log(kafka)
    assert sum('"reason": "inactive"' in text for text in said) > THREADS_ACTIVE


async def test_workers_that_come_and_go_miss_nothing_and_say_nothing_false(kafka: KafkaSettings, start: Start) -> None:
    """One begins, a second joins, the first is killed, a third joins, the second ends in order."""
    first = await start()
    await first.wait_until_ready()
    async with EventProducer(kafka, client_id="test") as producer:
        sending = asyncio.create_task(be_active(producer, 3 * ROUNDS, seed=2))
        second = await start()
        await second.wait_until_ready()
        await first.kill()
        third = await start()
        await third.wait_until_ready()
        await second.stop()
        await sending
    await all_are_over(kafka)
    await third.stop()
    said = await check_against_the_log(kafka)
    assert sum('"reason": "inactive"' in text for text in said) > THREADS_ACTIVE


async def test_a_close_is_answered_and_ends_the_session(kafka: KafkaSettings, start: Start) -> None:
    worker = await start(OPIK_TRACE_THREAD_TIMEOUT_TO_MARK_AS_INACTIVE="1h")
    await worker.wait_until_ready()
    command = Command(requested_at_us=1)
    async with EventProducer(kafka, client_id="test") as producer:
        await producer.publish(TRACES, [activity(1)])
        for request_id in ("first", "second"):
            await producer.publish(TRACES, [command.record("close", thread(1), ReplyTo(3, request_id))])

    async def replies() -> list[str]:
        return comparable(emitted(THREAD_REPLIES, await read_all(kafka, THREAD_REPLIES)))

    answers = await eventually(replies, lambda found: len(found) == 2)
    assert ['"outcome": "applied"' in answers[0], '"outcome": "ignored"' in answers[1]] == [True, True]
    await worker.stop()
    said = await check_against_the_log(kafka)
    assert sum('"reason": "requested"' in text for text in said) == 1
