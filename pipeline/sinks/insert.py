"""Insert rows, and make sure that they are there.

ClickHouse says how many rows it wrote, but counts the rows of materialized views too, so where a table has them, and
whenever the number is not the expected one, the rows are counted by their provenance instead.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.errors import Unstorable
from pipeline.sinks.batch import Row, Skip
from pipeline.sinks.ranges import COVERED_SQL, Covered
from pipeline.sinks.routes import Table

_AT_PLACES: Final = """(log_partition, log_offset) IN (
    SELECT place.1, place.2 FROM (
        SELECT arrayJoin(arrayZip({at_partitions:Array(UInt32)}, {at_offsets:Array(UInt64)})) AS place
    )
)"""
_COUNT: Final = "SELECT uniqExact(log_partition, log_offset) AS rows FROM {table} WHERE " + COVERED_SQL  # noqa: S608


async def insert_rows(
    client: ClickHouse, table: Table, covered: Covered, lines: Iterable[bytes], *, run: str = ""
) -> None:
    """Insert the rows of `covered` so that all of them are there; doing it again changes nothing.

    `lines` has them in pieces of whole lines and may be gone through more than once. With `run` they are inserted even
    if they were before, in another run: some may have been lost since.

    Raises Unstorable where ClickHouse refuses them, or has fewer than it was given and named no error, and what else
    `ClickHouse.insert_lines` raises.
    """
    written = await client.insert_pieces(table.name, lines, token=covered.token(table.name, run))
    if table.written_per_row is not None and written == covered.rows * table.written_per_row:
        return
    if await _count(client, table, covered) >= covered.rows:
        return
    # The token is known although the rows are gone: they were deleted, and are now stored again.
    await client.insert_pieces(table.name, lines, token=None)
    found = await _count(client, table, covered)
    if found < covered.rows:
        raise Unstorable(f"ClickHouse has {found} of {covered.rows} rows, and named no error")


async def insert_scattered(client: ClickHouse, table: Table, covered: Covered, rows: Sequence[Row]) -> None:
    """Insert rows whose places are not one after another; raises what `insert_rows` raises.

    No token names them, since others may have the same bounds: that they stand once follows from their places alone.
    """
    await client.insert_lines(table.name, [row.line for row in rows], token=None)
    places = {"at_partitions": [row.partition for row in rows], "at_offsets": [row.offset for row in rows]}
    sql = f"{_COUNT.replace('{table}', table.counted_in)} AND {_AT_PLACES}"
    found = int((await client.rows(sql, covered.parameters() | places))[0]["rows"])
    if found != len(rows):
        raise Unstorable(f"ClickHouse has {found} of {len(rows)} rows, and named no error")


async def insert_skips(client: ClickHouse, topic: str, log_id: UUID, skips: Sequence[Skip]) -> None:
    """Note offsets of `topic` that hold no event; raises what `ClickHouse.insert_lines` raises."""
    lines = [
        b'{"topic":"%b","log_id":"%b","log_partition":%d,"log_offset":%d,"next_offset":%d}'
        % (topic.encode(), str(log_id).encode(), skip.partition, skip.offset, skip.next_offset)
        for skip in skips
    ]
    await client.insert_lines("skipped_offsets", lines, token=None)


async def _count(client: ClickHouse, table: Table, covered: Covered) -> int:
    rows = await client.rows(_COUNT.replace("{table}", table.counted_in), covered.parameters())
    return int(rows[0]["rows"])
