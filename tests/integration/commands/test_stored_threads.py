"""What is open, read from storage as the sinks fill it."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
import uuid_utils.compat as uuids

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.commands.stored_threads import Place, log_times_us, open_sessions, settings_in_effect
from pipeline.events.controls import Setting
from pipeline.events.identity import DEFAULT_PROJECT_NAME, ThreadRef
from pipeline.stream.seeds import OpenSession
from pipeline.stream.thread_state import Extent
from tests.support.clickhouse import migrated
from tests.support.stored import BEGAN_US, SECOND_US, Log


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ClickHouse]:
    async with migrated(tmp_path) as (_, client):
        yield client


def new_log_id() -> UUID:
    return UUID(str(uuids.uuid7()))


def at(offset: int) -> int:
    """Return the time of an offset of a `Log`."""
    return BEGAN_US + (offset + 1) * SECOND_US


async def found(client: ClickHouse, place: Place) -> list[OpenSession]:
    times_us = await log_times_us(client, place)
    return sorted([session async for run in open_sessions(client, place, times_us) for session in run])


async def in_a_new_log(client: ClickHouse) -> list[OpenSession]:
    return await found(client, Place(new_log_id(), [0, 0]))


async def test_an_empty_storage_knows_of_nothing(client: ClickHouse) -> None:
    place = Place(new_log_id(), [0, 0])

    assert await found(client, place) == []
    assert await log_times_us(client, place) == [0, 0]
    assert await settings_in_effect(client, place) == [[], []]


async def test_a_session_is_open_until_it_is_closed(client: ClickHouse) -> None:
    log = Log("default")
    log.trace("t")  # offset 0
    log.opened("t", 0)
    log.trace("t")  # offset 2
    log.trace("other")  # offset 3
    log.opened("other", 3)
    log.closed("other", 3, 3)
    await log.store(client)

    [session] = await in_a_new_log(client)
    assert session == OpenSession(
        ThreadRef("default", log.project, "t"),
        Extent(log.log_id, 0, 0, log.log_id, 2),
        opened_at_us=at(0), last_activity_at_us=at(2), activities=2, is_told=True,
    )  # fmt: skip

    log.closed("t", 0, 2)
    await log.store(client)
    assert await in_a_new_log(client) == []


async def test_rows_that_are_stored_twice_count_once(client: ClickHouse) -> None:
    for _ in range(2):
        log = Log("default")
        log.log_id = UUID("01890000-0000-7000-8000-000000000001")
        log.trace("t", id=UUID("01890000-0000-7000-8000-000000000002"))
        log.opened("t", 0)
        await log.store(client)

    assert [session.activities for session in await in_a_new_log(client)] == [1]


async def test_activity_behind_the_last_close_is_a_session_of_which_nobody_has_told(client: ClickHouse) -> None:
    log = Log("default")
    log.trace("t")  # offset 0
    log.opened("t", 0)
    log.closed("t", 0, 0)
    log.trace("t")  # offset 3
    log.trace("t")  # offset 4
    log.trace("never told")  # offset 5
    await log.store(client)

    never_told, reopened = await in_a_new_log(client)
    assert reopened == OpenSession(
        ThreadRef("default", log.project, "t"),
        Extent(log.log_id, 0, 3, log.log_id, 4),
        opened_at_us=at(3), last_activity_at_us=at(4), activities=2, is_told=False,
    )  # fmt: skip
    assert (never_told.thread.thread_id, never_told.extent.first_offset, never_told.is_told) == ("never told", 5, False)


async def test_a_session_that_a_command_opened_needs_no_activity(client: ClickHouse) -> None:
    log = Log("default")
    log.trace(None)
    log.opened("t", 0)
    await log.store(client)

    [session] = await in_a_new_log(client)
    assert (session.activities, session.opened_at_us, session.last_activity_at_us) == (0, at(0), at(0))
    assert session.extent == Extent(log.log_id, 0, 0, log.log_id, 0)


async def test_a_session_that_was_carried_over_goes_on_in_the_next_log(client: ClickHouse) -> None:
    old = Log("default")
    old.trace("t")  # offset 0
    old.opened("t", 0)
    await old.store(client)
    new = Log("default")
    new.now_us = old.now_us
    new.trace("t")  # offset 0 of the new log
    await new.store(client)

    [session] = await in_a_new_log(client)
    assert session.extent == Extent(old.log_id, 0, 0, new.log_id, 0)
    assert session.activities == 2


async def test_in_the_same_log_it_is_as_it_was_at_the_place(client: ClickHouse) -> None:
    log = Log("default")
    log.trace("t")  # offset 0
    log.trace("closed before")  # offset 1
    log.opened("t", 0)
    log.opened("closed before", 1)
    log.closed("closed before", 1, 1)
    log.trace("t")  # offset 5
    log.closed("t", 0, 5)
    log.trace("later")  # offset 7
    log.opened("later", 7)
    await log.store(client)

    [session] = await found(client, Place(log.log_id, [6]))
    assert (session.thread.thread_id, session.extent.last_offset, session.activities) == ("t", 5, 2)
    assert await log_times_us(client, Place(log.log_id, [6])) == [at(5)]

    [later] = await found(client, Place(log.log_id, [8]))
    assert later.thread.thread_id == "later"


async def test_an_event_without_a_project_is_activity_in_the_default_one(client: ClickHouse) -> None:
    log = Log("default", DEFAULT_PROJECT_NAME)
    log.trace("t")  # offset 0
    log.opened("t", 0)
    log.trace("t", project_id=None, project_name=None)  # offset 2
    await log.store(client)

    [session] = await in_a_new_log(client)
    assert session.activities == 2


async def test_the_newest_setting_of_each_workspace_is_in_effect(client: ClickHouse) -> None:
    old, new = new_log_id(), new_log_id()
    await store_setting(client, old, 0, 0, Setting(timeout_ms=1000))
    await store_setting(client, old, 1, 0, Setting(timeout_ms=1000))
    await store_setting(client, old, 0, 1, Setting(workspace="w", timeout_ms=2000))
    await store_setting(client, old, 0, 2, Setting(workspace="w", timeout_ms=3000, score_regime="lenient"))
    await store_setting(client, old, 0, 3, Setting(workspace="bad", timeout_ms=-1))
    await store_setting(client, new, 1, 5, Setting(timeout_ms=4000))
    everywhere = Setting(workspace="w", timeout_ms=3000, score_regime="lenient")

    assert await settings_in_effect(client, Place(new_log_id(), [0, 0])) == [[Setting(timeout_ms=4000), everywhere]] * 2
    assert await settings_in_effect(client, Place(new, [9, 6])) == [
        [Setting(timeout_ms=1000), everywhere],
        [Setting(timeout_ms=4000), everywhere],
    ]
    assert await settings_in_effect(client, Place(new, [9, 5])) == [[Setting(timeout_ms=1000), everywhere]] * 2


async def store_setting(client: ClickHouse, log_id: UUID, partition: int, offset: int, setting: Setting) -> None:
    row = {
        "topic": "traces", "kind": "setting", "key": "", "value": msgspec.json.encode(setting).decode(),
        "log_id": str(log_id), "log_partition": partition, "log_offset": offset, "appended_at_ms": 1000 + offset,
    }  # fmt: skip
    await client.insert_lines("controls", [msgspec.json.encode(row)], token=None)
