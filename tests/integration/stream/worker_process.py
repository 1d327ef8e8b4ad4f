"""A worker as a process, and what stands in the log, for tests of the stream stage."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from pipeline.local.process import ChildProcess
from pipeline.settings import KafkaSettings
from pipeline.topics import STREAM_GROUP, Topic
from tests.unit.stream.oracle import Emitted

READY_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 120.0
SILENCE_MS = 1500
SILENCES_MAX = 20  # of a broker whose last records nobody may read: those of a transaction that is not over


class WorkerProcess:
    """`threadline worker`, started with settings from the environment."""

    def __init__(self, process: ChildProcess, ready: asyncio.Event, lines: list[str]) -> None:
        self.process = process
        self._ready = ready
        self.lines = lines

    @classmethod
    async def start(
        cls,
        env: Mapping[str, str],
        arguments: Sequence[str] = ("-m", "pipeline", "worker"),
        on_line: Callable[[str], None] | None = None,
    ) -> "WorkerProcess":
        ready, lines = asyncio.Event(), list[str]()

        def look(line: str) -> None:
            lines.append(line)
            if '"event": "ready"' in line:
                ready.set()
            if on_line is not None:
                on_line(line)

        process = await ChildProcess.start([sys.executable, *arguments], env={**os.environ, **env}, on_line=look)
        return cls(process, ready, lines)

    async def wait_until_ready(self) -> None:
        ended = asyncio.create_task(self.process.wait())
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({ended, ready}, timeout=READY_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        ready.cancel()
        assert self._ready.is_set(), f"not ready:\n{self.process.tail}"

    async def stop(self) -> None:
        """Ask it to end, and see that it does so in order."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_SECONDS_MAX):
            code = await self.process.wait()
        assert code == 0, f"exit code {code}:\n{self.process.tail}"

    async def kill(self) -> None:
        await self.process.kill()


@asynccontextmanager
async def reader(kafka: KafkaSettings, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """Open a consumer that is closed in the end."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", **options
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def read_all(kafka: KafkaSettings, topic: Topic, **options: Any) -> dict[int, list[ConsumerRecord]]:
    """Return all records of a topic by partition: up to its end, and until nothing comes for a while.

    The end alone may be short; silence alone may be that of a broker with much else to do.
    """
    async with reader(kafka, **options) as consumer:
        places = [TopicPartition(topic.name, number) for number in range(topic.partitions or kafka.partitions)]
        consumer.assign(places)
        found: dict[int, list[ConsumerRecord]] = {place.partition: [] for place in places}
        ends, silences = await consumer.end_offsets(places), 0
        while silences < SILENCES_MAX and (not silences or await is_behind(consumer, ends)):
            brought = await consumer.getmany(timeout_ms=SILENCE_MS)
            silences = 0 if brought else silences + 1
            for place, records in brought.items():
                found[place.partition] += records
        return found


async def is_behind(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    """Whether a consumer has yet to read a record before one of these ends."""
    return any([await consumer.position(place) < end for place, end in ends.items()])


async def committed(kafka: KafkaSettings, topic: Topic) -> dict[int, int]:
    """Return where the stream's group stands, by partition."""
    async with reader(kafka, group_id=STREAM_GROUP) as consumer:
        places = [TopicPartition(topic.name, number) for number in range(kafka.partitions)]
        consumer.assign(places)
        return {place.partition: await consumer.committed(place) or 0 for place in places}


def emitted(topic: Topic, records: dict[int, list[ConsumerRecord]]) -> list[Emitted]:
    """Return records in the form in which the oracle states them."""
    found = []
    for number, share in records.items():
        for record in share:
            value = json.loads(record.value)
            found.append((topic.name, {"partition": number, **value} if topic.name == "thread-replies" else value))
    return found


def comparable(events: list[Emitted]) -> list[str]:
    """Return events as text that is equal if they are."""
    return [json.dumps(event, sort_keys=True) for event in events]
