"""A whole stack, seen from outside: by producers that know only Kafka, and by strangers over HTTP."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pipeline.local.stack import Stack


@pytest_asyncio.fixture(loop_scope="session", scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"), port=0, thread_timeout="15m", on_line=lambda _name, _line: None)
    try:
        await stack.start()
        yield stack
    finally:
        await stack.stop()
