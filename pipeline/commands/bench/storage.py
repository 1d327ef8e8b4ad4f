"""The embedded ClickHouse of a bench: a process of its own on a folder that is deleted afterwards."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from pipeline.adapters.clickhouse import migrations
from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.errors import FatalError
from pipeline.local.process import ChildProcess, free_port
from pipeline.settings import ClickHouseSettings

_START_SECONDS_MAX: Final = 60.0
_STATEMENT_SECONDS_MAX: Final = 600.0
_ROWS_READ: Final = "SELECT value FROM system.events WHERE event = 'SelectedRows'"


class Storage(NamedTuple):
    """A running ClickHouse: how to reach it, who writes to it, and its process."""

    settings: ClickHouseSettings
    client: ClickHouse
    pid: int

    async def rows_read(self) -> int:
        """Return how many rows all queries so far have read from tables."""
        found = await self.client.rows(_ROWS_READ)
        return int(found[0]["value"]) if found else 0


@asynccontextmanager
async def embedded_storage() -> AsyncIterator[Storage]:
    """Run a ClickHouse with our tables; raises FatalError where it does not start."""
    settings = ClickHouseSettings(host="127.0.0.1", port=free_port(), request_timeout_seconds=_STATEMENT_SECONDS_MAX)
    listens = asyncio.Event()

    def on_line(line: str) -> None:
        if "listens on" in line:
            listens.set()

    with tempfile.TemporaryDirectory(prefix="threadline-bench-") as folder:
        argv = [sys.executable, "-m", "pipeline.local.clickhouse", "--port", str(settings.port), "--path", folder]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        async with await ChildProcess.start(argv, env=environment, on_line=on_line) as process:
            await _wait_until_it_listens(process, listens)
            async with ClickHouse(settings) as client:
                await migrations.apply(client)
                yield Storage(settings, client, process.pid)


async def _wait_until_it_listens(process: ChildProcess, listens: asyncio.Event) -> None:
    listening, ended = asyncio.ensure_future(listens.wait()), asyncio.ensure_future(process.wait())
    await asyncio.wait({listening, ended}, timeout=_START_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED)
    listening.cancel()
    ended.cancel()
    if not listens.is_set():
        raise FatalError(f"clickhouse does not start:\n{process.tail}")
