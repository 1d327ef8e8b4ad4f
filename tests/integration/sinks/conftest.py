"""A sink with what it needs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from pipeline.local.broker import EmbeddedBroker
from pipeline.local.process import free_port
from tests.apache_kafka.broker import ApacheKafka
from tests.support.installation import Installation, running


@pytest_asyncio.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    async with running(Installation(tmp_path, EmbeddedBroker(free_port()))) as installed:
        yield installed


@pytest_asyncio.fixture
async def apache_installation(tmp_path: Path) -> AsyncIterator[Installation]:
    async with running(Installation(tmp_path, ApacheKafka(tmp_path / "kafka"))) as installed:
        yield installed
