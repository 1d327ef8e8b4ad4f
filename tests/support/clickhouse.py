"""An embedded ClickHouse with our tables, as a process of its own."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clickhouse.migrations import apply
from pipeline.errors import StorageUnavailable
from pipeline.local.process import ChildProcess, free_port
from pipeline.settings import ClickHouseSettings
from tests.support.waiting import eventually

START_SECONDS_MAX = 120.0


class ClickHouseProcess:
    """It can be killed and started again on the same files and port."""

    def __init__(self, path: Path, port: int | None = None, *, database: str = "threadline") -> None:
        self.path = path
        self.settings = ClickHouseSettings(port=port or free_port(), database=database)
        self._process: ChildProcess | None = None

    async def start(self) -> None:
        """Return when it answers."""
        argv = [sys.executable, "-m", "pipeline.local.clickhouse", "--path", str(self.path)]
        self._process = await ChildProcess.start([*argv, "--port", str(self.settings.port)])

        async def answers() -> bool:
            # A new one has no database of ours yet.
            async with ClickHouse(self.settings.model_copy(update={"database": "default"})) as client:
                try:
                    await client.start()
                except StorageUnavailable:
                    return False
                return True

        await eventually(answers, bool, seconds_max=START_SECONDS_MAX)

    async def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            await self._process.kill()


@asynccontextmanager
async def migrated(path: Path) -> AsyncIterator[tuple[ClickHouseProcess, ClickHouse]]:
    """Yield a running ClickHouse with our tables, and a client of it."""
    process = ClickHouseProcess(path)
    await process.start()
    try:
        async with ClickHouse(process.settings) as client:
            await apply(client)
            yield process, client
    finally:
        await process.kill()
