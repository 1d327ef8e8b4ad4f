import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from pipeline.adapters.clickhouse import migrations
from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import SystemClock
from pipeline.adapters.web.app import build
from pipeline.query.reader import query_settings
from pipeline.query.routes import Query
from pipeline.settings import ClickHouseSettings, QuerySettings
from tests.support.reading import Reads
from tests.support.stored import Log


async def _migrate(port: int) -> None:
    async with ClickHouse(ClickHouseSettings(port=port)) as client:
        await migrations.apply(client)


@pytest.fixture(scope="package")
def storage_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    command = [sys.executable, "-m", "pipeline.local.clickhouse", "--port", "0", "--path"]
    with subprocess.Popen(
        [*command, str(tmp_path_factory.mktemp("storage"))], stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        line = run.stdout.readline()
        assert line.startswith("clickhouse listens on"), line
        port = int(line.rsplit(":", 1)[1])
        try:
            asyncio.run(_migrate(port))
            yield port
        finally:
            run.terminate()


@pytest.fixture
async def writer(storage_port: int) -> AsyncIterator[ClickHouse]:
    async with ClickHouse(ClickHouseSettings(port=storage_port)) as client:
        yield client


@pytest.fixture
async def start_query(storage_port: int) -> AsyncIterator[Callable[..., Query]]:
    started: list[Query] = []

    def start(*, lenient: bool = False) -> Query:
        settings = QuerySettings()
        client = ClickHouse(ClickHouseSettings(port=storage_port), query_settings=query_settings(settings))
        started.append(Query(settings, SystemClock(), client, lenient=lenient))
        return started[-1]

    yield start
    for query in started:
        await query.stop()


@pytest.fixture
def log() -> Log:
    return Log(f"workspace-{uuid.uuid4().hex}")


@pytest.fixture
def reads(start_query: Callable[..., Query], log: Log) -> Reads:
    query = start_query()
    return Reads(build({"query": query.routes()}, clock=SystemClock()), log.workspace)


@pytest.fixture
def lenient_reads(start_query: Callable[..., Query], log: Log) -> Reads:
    query = start_query(lenient=True)
    return Reads(build({"query": query.routes()}, clock=SystemClock()), log.workspace)
