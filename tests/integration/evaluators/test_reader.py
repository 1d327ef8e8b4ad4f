"""Transcripts on demand, from a ClickHouse that is there, away or refuses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import SystemClock
from pipeline.adapters.telemetry.metrics import EVALUATORS_RETRIES
from pipeline.errors import Unevaluable
from pipeline.evaluators.reader import TranscriptReader
from pipeline.evaluators.reading import QUERY_SETTINGS
from pipeline.local.process import free_port
from pipeline.settings import ClickHouseSettings, EvaluateSettings
from tests.support.sessions import session_closed
from tests.support.stored import Log
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS_MAX = 120.0


@asynccontextmanager
async def reading(client: ClickHouse, **settings: float) -> AsyncIterator[TranscriptReader]:
    reader = TranscriptReader(client, EvaluateSettings(**settings), SystemClock())  # type: ignore[arg-type]
    tasks = [asyncio.create_task(reader.run()) for _ in range(2)]
    try:
        yield reader
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_sessions_of_one_thread_and_of_many_each_get_their_own_transcript(
    client: ClickHouse, writer: ClickHouse, log: Log
) -> None:
    closes = []
    for _ in range(3):
        for number in range(5):
            log.trace(f"t{number}", input={"user": "x"})
            closes.append(session_closed(log, f"t{number}", log.offset, log.offset))
    await log.store(writer)

    async with reading(client, transcripts_at_once_max=4) as reader, asyncio.timeout(SECONDS_MAX):
        found = await asyncio.gather(*(reader.read(one, with_spans=False) for one in closes))

    assert [(one.thread_id, len(one.turns)) for one in found] == [
        (f"t{number}", session) for session in (1, 2, 3) for number in range(5)
    ]


async def test_one_thread_that_clickhouse_refuses_to_read_costs_no_other(
    storage: ClickHouseSettings, writer: ClickHouse, log: Log
) -> None:
    for turn in range(3000):
        log.trace("long", input={"user": f"{turn}"})
    log.trace("short", input={"user": "x"})
    closes = [session_closed(log, name, 0, log.offset) for name in ("long", "short")]
    await log.store(writer)

    limited = ClickHouse(storage, query_settings={**QUERY_SETTINGS, "max_result_rows": 1000})
    async with limited, reading(limited) as reader, asyncio.timeout(SECONDS_MAX):
        long, short = await asyncio.gather(
            *(reader.read(one, with_spans=False) for one in closes), return_exceptions=True
        )

    assert isinstance(long, Unevaluable), long
    assert not isinstance(short, BaseException)
    assert len(short.turns) == 1


async def test_while_storage_is_away_it_is_asked_again_and_who_is_gone_is_left_out() -> None:
    nobody = ClickHouseSettings(port=free_port(), connect_timeout_seconds=1)
    retries = EVALUATORS_RETRIES.labels("storage")
    before = retries._value.get()

    async def asked_again() -> float:
        return float(retries._value.get()) - before

    async with ClickHouse(nobody) as client, reading(client, retry_seconds_max=0.05) as reader:
        waiting = asyncio.create_task(reader.read(session_closed(Log("default"), "t", 0, 0), with_spans=False))
        await eventually(asked_again, lambda times: times > 2, seconds_max=SECONDS_MAX)
        assert not waiting.done()
        waiting.cancel()
