"""A sink with what it needs: an embedded broker, an embedded ClickHouse, and the stage as a process of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clickhouse.migrations import apply
from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.admin import ensure_topics
from pipeline.adapters.kafka.offsets import read_bounds
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.events.envelope import Record
from pipeline.local.broker import EmbeddedBroker
from pipeline.local.process import ChildProcess, free_port
from pipeline.settings import KafkaSettings
from pipeline.topics import SINKS_GROUP, STORED, Topic
from tests.apache_kafka.broker import ApacheKafka
from tests.support.clickhouse import ClickHouseProcess, migrated
from tests.support.folding import Database
from tests.support.waiting import eventually

PARTITIONS: Final = 4
STORED_SECONDS_MAX: Final = 60.0


class Installation:
    """Broker, database and sinks, of which each can be killed and started again."""

    def __init__(self, path: Path, broker: EmbeddedBroker | ApacheKafka) -> None:
        self.broker: Final = broker
        self.clickhouse: Final = ClickHouseProcess(path / "clickhouse")
        self.client: Final = ClickHouse(self.clickhouse.settings)
        self.kafka: Final = KafkaSettings(
            bootstrap=self.broker.bootstrap,
            partitions=PARTITIONS,
            session_timeout_ms=3000,
            heartbeat_interval_ms=500,
            last_record_alone=isinstance(broker, EmbeddedBroker),
        )
        self.producer: Final = EventProducer(self.kafka, client_id="test")
        self.lines: Final[list[str]] = []
        self._sinks: Final[list[ChildProcess]] = []

    async def start(self) -> None:
        await asyncio.gather(self.broker.start(), self.clickhouse.start())
        await ensure_topics(self.kafka, SystemClock())
        await apply(self.client)
        await self.producer.start()

    async def stop(self) -> None:
        for sink in self._sinks:
            await sink.kill()
        await self.producer.stop()
        await self.client.close()
        await self.clickhouse.kill()
        await self.broker.kill()

    async def start_sink(self, **settings: object) -> ChildProcess:
        """Start the stage as `threadline sink`; the settings are those of `THREADLINE_SINKS_`."""
        sink = await ChildProcess.start(
            [sys.executable, "-m", "pipeline", "sink"], env=self._environment(settings), on_line=self.lines.append
        )
        self._sinks.append(sink)
        return sink

    async def publish(self, topic: Topic, records: Sequence[Record]) -> None:
        await self.producer.publish(topic, records)

    async def stored(self) -> None:
        """Return when the sink has committed every record of every topic."""

        async def behind() -> int:
            bounds = await read_bounds(self.kafka, STORED, SINKS_GROUP)
            return sum(one.end - one.committed for partitions in bounds.values() for one in partitions)

        await eventually(behind, lambda left: left == 0, seconds_max=STORED_SECONDS_MAX)

    async def log(self, topic: Topic) -> list[ConsumerRecord[Any, Any]]:
        """Return every record of a topic, partition by partition."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka.bootstrap, enable_auto_commit=False)
        places = [TopicPartition(topic.name, number) for number in range(PARTITIONS)]
        await consumer.start()
        try:
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            records = []
            while any([await consumer.position(place) < ends[place] for place in places]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    records += batch
        finally:
            await consumer.stop()
        return records

    def _environment(self, settings: Mapping[str, object]) -> dict[str, str]:
        sinks = {f"THREADLINE_SINKS_{name.upper()}": str(value) for name, value in settings.items()}
        return dict(os.environ) | sinks | {
            "THREADLINE_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "THREADLINE_KAFKA_PARTITIONS": str(PARTITIONS),
            "THREADLINE_KAFKA_SESSION_TIMEOUT_MS": "3000",
            "THREADLINE_KAFKA_HEARTBEAT_INTERVAL_MS": "500",
            "THREADLINE_KAFKA_LAST_RECORD_ALONE": str(self.kafka.last_record_alone),
            "THREADLINE_CLICKHOUSE_PORT": str(self.clickhouse.settings.port),
            "THREADLINE_OPERATION_PORT": "0",
        }  # fmt: skip


@pytest.fixture(scope="package")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path: Path = tmp_path_factory.mktemp("clickhouse")
    with asyncio.Runner() as runner:
        context = migrated(path)
        _, client = runner.run(context.__aenter__())
        try:
            yield Database(runner, client)
        finally:
            runner.run(context.__aexit__(None, None, None))


@pytest_asyncio.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    async with _running(Installation(tmp_path, EmbeddedBroker(free_port()))) as installed:
        yield installed


@pytest_asyncio.fixture
async def apache_installation(tmp_path: Path) -> AsyncIterator[Installation]:
    async with _running(Installation(tmp_path, ApacheKafka(tmp_path / "kafka"))) as installed:
        yield installed


@asynccontextmanager
async def _running(installed: Installation) -> AsyncIterator[Installation]:
    await installed.start()
    try:
        yield installed
    finally:
        await installed.stop()
