"""What the real clients lose when storage is away, when Kafka does not answer, and when the gateway has too much."""

import asyncio
import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from pipeline.local.stack import Stack
from tests.contract.clients.expected import SCRIPTS
from tests.contract.clients.observed import Reader
from tests.fault.gateway_load import Log, write
from tests.support.client_env import QUIET, locked_npm, locked_python
from tests.support.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE: Final = Path(__file__).parent
TURNS: Final = 15
SECONDS_MAX: Final = 120.0
LINE_BYTES_MAX: Final = 1024 * 1024
PATIENT_RETRIES: Final = "1000"
SMALL: Final = {
    "THREADLINE_GATEWAY_IN_FLIGHT_BYTES_MAX": "400000",
    "THREADLINE_GATEWAY_IN_FLIGHT_RECORDS_MAX": "1500",
    "THREADLINE_GATEWAY_PUBLISH_TIMEOUT_SECONDS": "1",
    "THREADLINE_GATEWAY_RETRY_AFTER_SECONDS": "1",
}


@dataclass(frozen=True)
class Sent:
    """The traces that were logged, and what the client says: whether all are sent (npm: None), and its error lines."""

    ids: list[str]
    is_flushed: bool | None
    errors: list[str]


class Client:
    """A process of a real client, which logs when it is asked to."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process: Final = process

    async def log(self, project: str) -> Sent:
        """Log TURNS turns, and return when the client is done with them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"project": project, "turns": TURNS}).encode() + b"\n")
        errors: list[str] = []
        async with asyncio.timeout(SECONDS_MAX):
            while line := (await self._process.stdout.readline()).decode():
                if line.startswith('{"ids"'):
                    return Sent(**json.loads(line), errors=errors)
                if "ERROR" in line:
                    errors.append(line)
        raise AssertionError(f"the client ended with exit code {await self._process.wait()}")


@dataclass(frozen=True)
class Site:
    """A running stack with a small gateway, and clients of it: the npm one as it is, and one told to hold out."""

    stack: Stack
    python: Client
    npm: Client
    patient_npm: Client

    async def stored(self, project: str, ids: list[str]) -> None:
        """Return when the query side shows exactly these traces, each whole and with its span."""
        reader = Reader(int(self.stack.base_url.rpartition(":")[2]), project)

        def look() -> dict[str, tuple[Any, int]]:
            spans = Counter(span["trace_id"] for span in reader.listed_spans())
            return {trace["id"]: (trace.get("output"), spans[trace["id"]]) for trace in reader.listed_traces()}

        expected = {one: ({"assistant": f"answer {number}"}, 1) for number, one in enumerate(ids)}
        await asyncio.to_thread(
            wait_until, look, lambda seen: seen == expected, seconds_max=SECONDS_MAX, interval_seconds=0.5
        )


@asynccontextmanager
async def client(program: Path | str, script: Path, *arguments: str, base_url: str) -> AsyncIterator[Client]:
    """Start a client; it is killed at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        str(program),
        str(script),
        *arguments,
        env={**os.environ, **QUIET, "OPIK_URL_OVERRIDE": f"{base_url}/api/"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES_MAX,
    )
    try:
        yield Client(process)
    finally:
        process.kill()
        await process.wait()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    python = locked_python(HERE / "clients" / "requirements.txt")
    npm = locked_npm(HERE / "clients" / "npm")
    module = Path(shutil.copy(SCRIPTS / "on_demand.mjs", npm))  # packages are found from where the script lies
    folder = tmp_path_factory.mktemp("outages")
    stack = Stack(folder, port=0, thread_timeout=None, on_line=lambda _name, _line: None, environment=SMALL)
    async with AsyncExitStack() as block:
        block.push_async_callback(stack.stop)
        await stack.start()
        url = stack.base_url
        yield Site(
            stack,
            await block.enter_async_context(client(python, SCRIPTS / "on_demand.py", base_url=url)),
            await block.enter_async_context(client("node", module, base_url=url)),
            await block.enter_async_context(client("node", module, PATIENT_RETRIES, base_url=url)),
        )


@asynccontextmanager
async def kafka_away(stack: Stack) -> AsyncIterator[None]:
    """Halt the broker in the block; killed, the embedded one would forget what it has."""
    os.kill(stack.pids["kafka"], signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(stack.pids["kafka"], signal.SIGCONT)


async def test_what_is_logged_while_storage_is_away_is_taken_at_once_and_readable_afterwards(site: Site) -> None:
    await site.stack.kill("clickhouse")
    python, npm = await asyncio.gather(site.python.log("storage python"), site.npm.log("storage npm"))
    await site.stack.restart("clickhouse")

    assert python.is_flushed
    assert npm.errors == []
    await site.stored("storage python", python.ids)
    await site.stored("storage npm", npm.ids)


async def test_clients_that_hold_out_lose_nothing_while_kafka_does_not_answer(site: Site) -> None:
    async with asyncio.TaskGroup() as group, kafka_away(site.stack):
        holding_out = [
            group.create_task(site.python.log("kafka python")),
            group.create_task(site.patient_npm.log("kafka npm")),
        ]
        given_up = await site.npm.log("lost by npm")
        assert not any(task.done() for task in holding_out)

    python, npm = (task.result() for task in holding_out)
    assert python.is_flushed
    assert given_up.errors != []
    assert npm.errors == []
    await site.stored("kafka python", python.ids)
    await site.stored("kafka npm", npm.ids)


async def test_what_is_logged_during_an_overload_is_readable_afterwards(site: Site) -> None:
    log, stop = Log(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(write(site.stack.base_url, log, stop, writers=4, traces=200, trace_bytes=500))
        async with asyncio.timeout(SECONDS_MAX):
            await log.until_overloaded()
        sent = await site.python.log("overload python")
        stop.set()

    assert sent.is_flushed
    assert log.bare == []
    await site.stored("overload python", sent.ids)
