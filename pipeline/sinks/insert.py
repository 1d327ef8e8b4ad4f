"""Insert rows, and make sure that they are there.

ClickHouse says how many rows it wrote, but counts the rows of materialized views too, so where a table has them, and
whenever the number is not the expected one, the rows are counted by their provenance instead.
"""

from collections.abc import Sequence
from typing import Final

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.errors import Unstorable
from pipeline.sinks.batch import Row
from pipeline.sinks.ranges import COVERED_SQL, Covered
from pipeline.sinks.routes import Table

_COUNT: Final = "SELECT uniqExact(log_partition, log_offset) AS rows FROM {table} WHERE " + COVERED_SQL  # noqa: S608


async def insert_rows(client: ClickHouse, table: Table, covered: Covered, rows: Sequence[Row]) -> None:
    """Insert `rows` so that all of them are there; doing it again changes nothing.

    Raises Unstorable where ClickHouse refuses them, or has fewer than it was given and named no error, and what else
    `ClickHouse.insert_lines` raises.
    """
    lines = [row.line for row in rows]
    written = await client.insert_lines(table.name, lines, token=covered.token(table.name))
    if table.written_per_row is not None and written == len(rows) * table.written_per_row:
        return
    if await _count(client, table, covered) >= len(rows):
        return
    # The token is known although the rows are gone: they were deleted, and are now stored again.
    await client.insert_lines(table.name, lines, token=None)
    found = await _count(client, table, covered)
    if found < len(rows):
        raise Unstorable(f"ClickHouse has {found} of {len(rows)} rows, and named no error")


async def _count(client: ClickHouse, table: Table, covered: Covered) -> int:
    rows = await client.rows(_COUNT.replace("{table}", table.counted_in), covered.parameters())
    return int(rows[0]["rows"])
