"""A ClickHouse with our tables, and threads in it as the sink stores them."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.evaluators.reading import QUERY_SETTINGS
from pipeline.settings import ClickHouseSettings
from tests.support.clickhouse import migrated
from tests.support.stored import Log


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def storage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ClickHouseSettings]:
    path: Path = tmp_path_factory.mktemp("storage")
    async with migrated(path) as (process, _):
        yield process.settings


@pytest_asyncio.fixture(loop_scope="module")
async def writer(storage: ClickHouseSettings) -> AsyncIterator[ClickHouse]:
    async with ClickHouse(storage) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def client(storage: ClickHouseSettings) -> AsyncIterator[ClickHouse]:
    async with ClickHouse(storage, query_settings=QUERY_SETTINGS) as client:
        yield client


@pytest.fixture
def log() -> Log:
    return Log(f"workspace-{uuid4()}")
