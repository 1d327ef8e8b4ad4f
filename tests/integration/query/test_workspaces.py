from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import uuid_utils.compat as uuids

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import ManualClock
from pipeline.events.controls import Setting
from pipeline.query.reader import Reader, query_settings
from pipeline.query.workspaces import REGIME_SECONDS_MAX, Regimes
from pipeline.settings import ClickHouseSettings, QuerySettings
from tests.support.reading import Reads
from tests.support.stored import BEGAN_US, Log

PATH = "/v1/private/workspaces/configurations"
TIMEOUT = "timeout_to_mark_thread_as_inactive"


async def store(writer: ClickHouse, *values: bytes, kind: str = "setting", partitions: int = 2) -> None:
    """Store records as the sink stores controls: each in every partition, in that order."""
    rows = [
        {
            "log_id": str(uuids.uuid7()), "log_partition": partition, "log_offset": offset,
            "appended_at_ms": BEGAN_US // 1000 + offset,
            "topic": "traces", "kind": kind, "key": "", "value": value.decode(errors="backslashreplace"),
        }
        for offset, value in enumerate(values)
        for partition in range(partitions)
    ]  # fmt: skip
    await writer.insert_lines("controls", [msgspec.json.encode(row) for row in rows], token=None)


def setting(workspace: str | None, requested_at_us: int = 0, **fields: Any) -> bytes:
    return msgspec.json.encode(Setting(workspace=workspace, requested_at_us=requested_at_us, **fields))


async def test_a_workspace_that_has_set_nothing_reads_an_empty_object(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    await store(writer, setting("another", 1, timeout_ms=1000))

    answer = await reads.get(PATH)

    assert (answer.status, answer.json, log.workspace != "another") == (200, {}, True)


async def test_what_holds_where_nothing_was_set_is_that_of_all_workspaces_else_15_minutes_and_strict(
    writer: ClickHouse, reads: Reads
) -> None:
    assert (await reads.get(f"{PATH}/defaults")).json == {TIMEOUT: "PT15M", "thread_score_regime": "strict"}

    await store(writer, setting(None, 1, timeout_ms=60_000, score_regime="lenient"))
    try:
        assert (await reads.get(f"{PATH}/defaults")).json == {TIMEOUT: "PT1M", "thread_score_regime": "lenient"}
    finally:
        await store(writer, setting(None, 2))  # other tests share these tables


async def test_the_newest_setting_of_the_workspace_is_read_whole(log: Log, writer: ClickHouse, reads: Reads) -> None:
    newest = setting(log.workspace, 9, timeout_ms=1_800_000, score_regime="strict", color_map={"a": "#f00"})
    await store(writer, newest, setting(log.workspace, 8, timeout_ms=5000, truncation_on_tables=True), setting(None))
    await store(writer, setting(log.workspace, 10, timeout_ms=1000), kind="tick")

    assert (await reads.get(PATH)).json == {
        TIMEOUT: "PT30M", "thread_score_regime": "strict", "color_map": {"a": "#f00"},
    }  # fmt: skip
    await store(writer, setting(log.workspace, 11))
    assert (await reads.get(PATH)).json == {}


async def test_settings_without_a_time_of_request_count_by_their_place(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    await store(writer, setting(log.workspace, timeout_ms=1000), setting(log.workspace, timeout_ms=2000), b"{no json")

    assert (await reads.get(PATH)).json == {TIMEOUT: "PT2S"}


async def test_what_is_no_setting_reads_as_none(log: Log, writer: ClickHouse, reads: Reads) -> None:
    await store(writer, msgspec.json.encode({"workspace": log.workspace, "timeout_ms": "soon"}))

    assert (await reads.get(PATH)).json == {}


@pytest.fixture
async def reader(storage_port: int) -> AsyncIterator[Reader]:
    settings = QuerySettings()
    async with ClickHouse(ClickHouseSettings(port=storage_port), query_settings=query_settings(settings)) as client:
        yield Reader(client, settings, ManualClock())


async def test_the_regime_of_a_workspace_counts_and_is_looked_up_again_after_a_moment(
    log: Log, writer: ClickHouse, reader: Reader
) -> None:
    clock = ManualClock()
    regimes = Regimes(reader, clock, lenient=False)
    assert not await regimes.is_lenient(log.workspace)

    await store(writer, setting(log.workspace, 1, score_regime="lenient"))
    assert not await regimes.is_lenient(log.workspace)
    clock.advance(REGIME_SECONDS_MAX + 0.1)
    assert await regimes.is_lenient(log.workspace)
    assert not await Regimes(reader, clock, lenient=False).is_lenient(f"other-than-{log.workspace}")

    await store(writer, setting(log.workspace, 2, score_regime="strict"))
    assert not await Regimes(reader, clock, lenient=True).is_lenient(log.workspace)


async def test_scores_count_by_the_regime_of_their_workspace(log: Log, writer: ClickHouse, reads: Reads) -> None:
    log.trace("t")
    log.opened("t", 0)
    log.score("thread", log.model("t"), "by hand", "1", thread_id="t", project_id=log.project)
    log.closed("t", 0, 0)
    reopening = log.offset + 1
    log.trace("t")
    log.opened("t", reopening)
    await log.store(writer)
    await store(writer, setting(log.workspace, 1, score_regime="lenient"))

    body = {"thread_id": "t", "project_id": str(log.project)}
    found = (await reads.post("/v1/private/traces/threads/retrieve", body)).json
    assert [score["name"] for score in found["feedback_scores"]] == ["by hand"]
