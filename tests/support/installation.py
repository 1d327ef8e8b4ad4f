"""A sink with what it needs: a broker, an embedded ClickHouse, and the stage as processes of their own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

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
from pipeline.local.process import ChildProcess
from pipeline.settings import KafkaSettings
from pipeline.topics import SINKS_GROUP, STORED, Topic
from tests.apache_kafka.broker import ApacheKafka
from tests.support.clickhouse import ClickHouseProcess
from tests.support.waiting import eventually

PARTITIONS: Final = 4
STORED_SECONDS_MAX: Final = 180.0


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
            [sys.executable, "-m", "pipeline", "sink"], env=self.environment(settings), on_line=self.lines.append
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

    def environment(self, settings: Mapping[str, object] = {}) -> dict[str, str]:
        """Return what a command of ours finds everything by; the settings are those of `THREADLINE_SINKS_`."""
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


@asynccontextmanager
async def running(installed: Installation) -> AsyncIterator[Installation]:
    """Start what is installed, and stop it at the end of the block."""
    await installed.start()
    try:
        yield installed
    finally:
        await installed.stop()
