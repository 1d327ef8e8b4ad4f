"""Reads over a connection that is cut again and again, and over one that stays cut."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import SystemClock
from pipeline.errors import StorageUnavailable, TransientError
from pipeline.query.conversations import conversations
from pipeline.query.patience import PatientReader
from pipeline.query.reader import query_settings
from pipeline.query.rows import Thread
from pipeline.query.statement import Scope
from pipeline.settings import ClickHouseSettings, QuerySettings
from tests.support.flaky_door import FlakyDoor
from tests.support.stored import Log


@pytest.fixture
async def door(storage_port: int) -> AsyncIterator[FlakyDoor]:
    door = FlakyDoor(storage_port)
    await door.start()
    yield door
    await door.stop()


@asynccontextmanager
async def patient(
    door: FlakyDoor, failures: list[TransientError], *, seconds_max: float = 60.0
) -> AsyncIterator[PatientReader]:
    settings = QuerySettings()
    storage = ClickHouseSettings(port=door.port)
    async with ClickHouse(storage, query_settings=query_settings(settings)) as client:
        yield PatientReader(client, settings, SystemClock(), seconds_max=seconds_max, on_failure=failures.append)


async def test_a_long_read_goes_on_where_storage_was_lost(door: FlakyDoor, log: Log, writer: ClickHouse) -> None:
    turns = [log.trace(f"t-{number % 5}", input=number) for number in range(20)]
    await log.store(writer)
    failures: list[TransientError] = []
    door.cut_every = 7

    async with patient(door, failures) as reader:
        pieces = await conversations(reader, Scope(log.workspace, log.project), [], lenient=False)
        seen = [piece async for piece in pieces]

    threads = [piece.id for piece in seen if isinstance(piece, Thread)]
    told = [turn.id for piece in seen if isinstance(piece, list) for turn in piece]
    assert threads == [f"t-{number}" for number in (4, 3, 2, 1, 0)]
    assert sorted(told) == sorted(turns)
    assert door.cuts > len(failures) >= 1


async def test_a_read_is_given_up_when_storage_stays_away(door: FlakyDoor) -> None:
    failures: list[TransientError] = []
    door.cut_every = 1

    async with patient(door, failures, seconds_max=0.3) as reader:
        with pytest.raises(StorageUnavailable, match=r"has not answered for 0\.3 s, so this was given up"):
            await reader.ask("SELECT 1", {})

    assert len(failures) == 1
    assert door.cuts > 1
