"""A sink with what it needs."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from pipeline.local.broker import EmbeddedBroker
from pipeline.local.process import free_port
from tests.apache_kafka.broker import ApacheKafka
from tests.support.clickhouse import migrated
from tests.support.folding import Database
from tests.support.installation import Installation, running


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
    async with running(Installation(tmp_path, EmbeddedBroker(free_port()))) as installed:
        yield installed


@pytest_asyncio.fixture
async def apache_installation(tmp_path: Path) -> AsyncIterator[Installation]:
    async with running(Installation(tmp_path, ApacheKafka(tmp_path / "kafka"))) as installed:
        yield installed
