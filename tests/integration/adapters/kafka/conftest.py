"""The brokers on which the Kafka adapters are tested: the embedded one and Apache Kafka, each test on a fresh one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pipeline.local.broker import EmbeddedBroker
from pipeline.local.process import free_port
from pipeline.settings import KafkaSettings
from tests.apache_kafka.broker import ApacheKafka

Broker = EmbeddedBroker | ApacheKafka


@pytest_asyncio.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.apache_kafka)])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    broker: Broker = EmbeddedBroker(free_port()) if request.param == "embedded" else ApacheKafka(tmp_path / "kafka")
    await broker.start()
    try:
        yield broker
    finally:
        await broker.kill()


@pytest.fixture
def settings(broker: Broker) -> KafkaSettings:
    return KafkaSettings(
        bootstrap=broker.bootstrap,
        partitions=4,
        request_timeout_ms=10_000,
        last_record_alone=isinstance(broker, EmbeddedBroker),
    )
