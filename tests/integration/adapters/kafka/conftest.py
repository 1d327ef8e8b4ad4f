"""The brokers on which the Kafka adapters are tested: the embedded one and Apache Kafka, each test on a fresh one.

A module whose tests use no groups takes an `emptied_broker` for its `broker`: starting Apache Kafka costs 2 s of CPU.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient

from pipeline.local.broker import EmbeddedBroker
from pipeline.local.kafka_probe import wait_for_broker
from pipeline.local.process import free_port
from pipeline.settings import KafkaSettings
from tests.apache_kafka.broker import ApacheKafka

Broker = EmbeddedBroker | ApacheKafka

BOTH = ["embedded", pytest.param("apache", marks=pytest.mark.apache_kafka)]
EMPTIED_SECONDS_MAX = 120


def _broker_of(name: str, folder: Path) -> Broker:
    return EmbeddedBroker(free_port()) if name == "embedded" else ApacheKafka(folder / "kafka")


@pytest_asyncio.fixture(params=BOTH)
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    broker = _broker_of(request.param, tmp_path)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.kill()


@pytest_asyncio.fixture(params=BOTH, scope="module", loop_scope="module")
async def _shared_broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Broker]:
    broker = _broker_of(request.param, tmp_path_factory.mktemp("broker"))
    await broker.start()
    try:
        yield broker
    finally:
        await broker.kill()


@pytest_asyncio.fixture(loop_scope="module")
async def emptied_broker(_shared_broker: Broker) -> Broker:
    """Return the one broker of the module, without the topics of the test before; it runs, whatever that did to it."""
    if isinstance(_shared_broker, EmbeddedBroker):  # it keeps nothing, and starts in no time
        await _shared_broker.kill()
    if _shared_broker.process.returncode is not None:
        await _shared_broker.start()
    if isinstance(_shared_broker, EmbeddedBroker):
        return _shared_broker
    # One that stood still has to be let into its cluster again.
    await wait_for_broker(_shared_broker.process, _shared_broker.port, timeout_seconds=EMPTIED_SECONDS_MAX)
    admin = AIOKafkaAdminClient(bootstrap_servers=_shared_broker.bootstrap)
    await admin.start()
    try:
        async with asyncio.timeout(EMPTIED_SECONDS_MAX):  # what was deleted is listed for a while
            while names := [name for name in await admin.list_topics() if not name.startswith("__")]:
                await admin.delete_topics(names)
    finally:
        await admin.close()
    return _shared_broker


@pytest.fixture
def settings(broker: Broker) -> KafkaSettings:
    return KafkaSettings(
        bootstrap=broker.bootstrap,
        partitions=4,
        request_timeout_ms=10_000,
        last_record_alone=isinstance(broker, EmbeddedBroker),
    )
