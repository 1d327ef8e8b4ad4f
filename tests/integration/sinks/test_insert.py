from pathlib import Path

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.errors import Unstorable
from pipeline.sinks.batch import Row, joined
from pipeline.sinks.insert import insert_rows
from pipeline.sinks.ranges import covering
from pipeline.sinks.routes import SPAN_EVENTS, TRACE_EVENTS, Table
from pipeline.sinks.splice import head_of, splice
from tests.support.clickhouse import migrated
from tests.support.events import IDS, LOGS

LOG_ID = LOGS[0]
VALUE = b'{"workspace":"w","id":"%b","trace_id":"%b"}' % (str(IDS[0]).encode(), str(IDS[1]).encode())
TRACE_VALUE = b'{"workspace":"w","id":"%b"}' % str(IDS[0]).encode()


def rows(values: list[bytes]) -> list[Row]:
    return [
        Row(splice(head_of(LOG_ID, 0), offset, 1000, value), 0, offset, 1000, None, ())
        for offset, value in enumerate(values)
    ]


async def insert(client: ClickHouse, table: Table, values: list[bytes]) -> int:
    made = rows(values)
    await insert_rows(client, table, covering(LOG_ID, "topic", made), [joined(made)])
    found = await client.rows(f"SELECT count() AS rows FROM {table.name}")  # noqa: S608
    return int(found[0]["rows"])


@pytest.mark.parametrize(("table", "value"), [(TRACE_EVENTS, TRACE_VALUE), (SPAN_EVENTS, VALUE)])
async def test_rows_are_there_once_however_often_they_are_inserted(tmp_path: Path, table: Table, value: bytes) -> None:
    async with migrated(tmp_path) as (process, client):
        assert await insert(client, table, [value] * 3) == 3
        assert await insert(client, table, [value] * 3) == 3
        await process.kill()
        await process.start()
        assert await insert(client, table, [value] * 3) == 3


async def test_rows_that_were_deleted_are_stored_again_although_their_token_is_known(tmp_path: Path) -> None:
    async with migrated(tmp_path) as (_, client):
        await insert(client, TRACE_EVENTS, [TRACE_VALUE] * 3)
        for table in ("trace_events", "trace_fields"):
            await client.command(f"ALTER TABLE {table} DELETE WHERE log_offset = 1", settings={"mutations_sync": 2})

        assert await insert(client, TRACE_EVENTS, [TRACE_VALUE] * 3) >= 3
        found = await client.rows("SELECT log_offset FROM trace_events FINAL ORDER BY log_offset")
        assert [row["log_offset"] for row in found] == [0, 1, 2]


async def test_a_value_of_two_rows_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with migrated(tmp_path) as (_, client):
        with pytest.raises(Unstorable) as refusal:
            await insert(client, SPAN_EVENTS, [VALUE, VALUE + b" " + VALUE, VALUE])

        assert refusal.value.code == 469
        assert await client.rows("SELECT count() AS rows FROM span_events") == [{"rows": 0}]
