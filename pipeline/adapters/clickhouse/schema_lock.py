"""One instance at a time changes the tables.

ClickHouse has no locks to ask for, but of two that create the same table one is refused: whoever made the table
`schema_lock` holds it. Its comment says who that is. A holder that died leaves it behind; after LOCK_SECONDS_MAX it is
moved away, under a name made from its holder's, so that of two that find it stale only one gets that far. A cluster
does what its nodes are told in one order, so there it is the same.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clickhouse.cluster import on_cluster
from pipeline.errors import StorageUnavailable

LOCK_SECONDS_MAX: Final = 600
_LOOK_SECONDS: Final = 0.2
_TABLE_ALREADY_EXISTS: Final = 57
_UNKNOWN_TABLE: Final = 60
_HOLDER: Final = """
SELECT comment AS holder, dateDiff('second', metadata_modification_time, now()) AS age_seconds
FROM system.tables WHERE database = currentDatabase() AND name = 'schema_lock'"""

_LOCKS: Final = """
SELECT name FROM system.tables
WHERE database = currentDatabase() AND startsWith(name, 'schema_lock')
ORDER BY name DESC"""


@asynccontextmanager
async def schema_lock(client: ClickHouse, *, stale_seconds: float = LOCK_SECONDS_MAX) -> AsyncIterator[None]:
    """Hold the lock until the block is left; it is waited for. Raises StorageUnavailable."""
    holder, here = uuid4().hex, on_cluster(client.settings.cluster)
    while not await _created(client, holder):
        await _move_away_if_stale(client, stale_seconds)
        await asyncio.sleep(_LOOK_SECONDS)
    try:
        yield
    finally:
        # What was moved away stays until now: while it is there, nobody else who found it stale can move ours there.
        for row in await client.rows(_LOCKS):
            await client.command(f"DROP TABLE IF EXISTS {{lock:Identifier}}{here}", {"lock": row["name"]})


async def _created(client: ClickHouse, holder: str) -> bool:
    here = on_cluster(client.settings.cluster)
    try:
        await client.command(f"CREATE TABLE schema_lock{here} (held UInt8) ENGINE = Memory COMMENT '{holder}'")
    except StorageUnavailable as error:
        if error.code == _TABLE_ALREADY_EXISTS:
            return False
        raise
    return True


async def _move_away_if_stale(client: ClickHouse, stale_seconds: float) -> None:
    here = on_cluster(client.settings.cluster)
    for row in await client.rows(_HOLDER):
        if row["age_seconds"] < stale_seconds:
            continue
        left_behind = {"left_behind": f"schema_lock_{row['holder']}"}
        try:
            await client.command(f"RENAME TABLE schema_lock TO {{left_behind:Identifier}}{here}", left_behind)
        except StorageUnavailable as error:
            if error.code not in {_TABLE_ALREADY_EXISTS, _UNKNOWN_TABLE}:
                raise
