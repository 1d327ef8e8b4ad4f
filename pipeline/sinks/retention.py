"""Drop what is past the retention of its workspace, a month at a time.

Tables are divided by the month in the ids of traces, so a month that is over for all of its workspaces is dropped as
whole parts, whatever their size, and costs nothing. Where only some of its workspaces are done with a month, their rows
are deleted from that month alone. What has no month of its own, since its id has no time or it belongs to a thread,
goes by when it was last said, by mutations that have work once a month. Everything is kept for at least the days that
are set, and for at most a month longer.

The places of what Kafka still has are noted first, so that it is not taken for lost. Everything may be repeated.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from pipeline.adapters.clickhouse.client import PARTITIONS_PER_INSERT_MAX, ClickHouse, new_token
from pipeline.sinks.retention_sql import (
    BY_ROW,
    FORGET_PLACES,
    MONTHS,
    NOTE_ORIGINS,
    NOTE_PLACES,
    THREADS_BEFORE,
    TIMELESS,
    WITHOUT_ROW,
    Expiring,
)
from pipeline.sinks.thread_fold import fold_of

ALL_OTHERS: Final = "*"
_NEVER_US: Final = -(2**63)


@dataclass(frozen=True, slots=True)
class Reach:
    """What Kafka still has of a topic: from which offset on, by partition, of the log `log_id`."""

    log_id: UUID
    begins: Sequence[int]


@dataclass(slots=True)
class Dropped:
    """What one run dropped: parts of tables as a whole, by partition, and rows of others."""

    partitions: int = 0
    rows: int = 0


class Cutoffs:
    """From which month on each workspace keeps what it has; `days` by workspace, `*` for all others.

    A workspace without days keeps everything. A month is over when its last moment is `days` old.
    """

    def __init__(self, days: Mapping[str, int], now_us: int) -> None:
        now = datetime.fromtimestamp(now_us / 1e6, UTC)
        months = {
            workspace: (now - timedelta(days=kept)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            for workspace, kept in days.items()
        }
        self._by_workspace: Final = {workspace: int(at.timestamp()) * 1_000_000 for workspace, at in months.items()}
        self._months: Final = {workspace: at.year * 100 + at.month for workspace, at in months.items()}

    def is_over(self, workspace: str, month: int) -> bool:
        """Tell whether a workspace is done with a month, as yyyymm."""
        return month < self._months.get(workspace, self._months.get(ALL_OTHERS, 0))

    def parameters(self) -> dict[str, object]:
        """Return what the SQL of a cutoff binds: microseconds since 1970 UTC, by workspace, and for all others."""
        others = self._by_workspace.get(ALL_OTHERS, _NEVER_US)
        named = {"": others} | self._by_workspace  # never empty, since `transform` takes no empty array
        return {"names": list(named), "cutoffs": list(named.values()), "others": others}


async def drop_expired(
    client: ClickHouse, days: Mapping[str, int], reaches: Mapping[str, Reach], *, now_us: int
) -> Dropped:
    """Drop what is past its retention at `now_us`, microseconds since 1970 UTC; `reaches` are those of all topics.

    Raises StorageUnavailable; what is not done then, the next run does.
    """
    dropped = Dropped()
    if days:
        cutoffs = Cutoffs(days, now_us)
        for table in MONTHS:
            await _drop_months(client, cutoffs, reaches, table, dropped)
        for rows in (*TIMELESS, *BY_ROW):
            await _delete(client, rows, cutoffs.parameters(), reaches, dropped)
        # Threads of which traces went have no row now; those that have others left are folded again.
        await client.command(fold_of(WITHOUT_ROW), settings=_insert())
    await _forget_places(client, reaches)
    return dropped


async def _drop_months(
    client: ClickHouse,
    cutoffs: Cutoffs,
    reaches: Mapping[str, Reach],
    table: Expiring,
    dropped: Dropped,
) -> None:
    """Drop the months that are over for all, and delete from those that are over for some."""
    found = await client.rows(f"SELECT DISTINCT _partition_id AS month, workspace FROM {table.name}")  # noqa: S608
    workspaces: defaultdict[str, list[str]] = defaultdict(list)
    for row in found:
        workspaces[row["month"]].append(row["workspace"])
    for month, present in sorted(workspaces.items()):
        over = [workspace for workspace in present if cutoffs.is_over(workspace, int(month))]
        if month == "197001" or not over:
            continue
        if table.name == "thread_traces":
            for of_threads in ("threads", "thread_previews"):
                await _mutate(client, THREADS_BEFORE, of_threads, {"month": month, "over": over})
        within = "_partition_id = {month:String} AND workspace IN {over:Array(String)}"
        which = {"month": month, "over": over}
        await _note(client, table, within, which, reaches)
        if len(over) == len(present):
            drop = f"ALTER TABLE {client.stored(table.name)} DROP PARTITION ID {{month:String}}"
            await client.command(drop, {"month": month})
            dropped.partitions += 1
        else:
            dropped.rows += await _count(client, table.name, within, which)
            part = "IN PARTITION ID {month:String} WHERE workspace IN {over:Array(String)}"
            await _mutate(client, part, table.name, which)


async def _delete(
    client: ClickHouse,
    rows: Expiring,
    parameters: Mapping[str, object],
    reaches: Mapping[str, Reach],
    dropped: Dropped,
) -> None:
    found = await _count(client, rows.name, rows.condition, parameters)
    if found:
        await _note(client, rows, rows.condition, parameters, reaches)
        await _mutate(client, f"WHERE {rows.condition}", rows.name, parameters)
        dropped.rows += found


async def _note(
    client: ClickHouse,
    table: Expiring,
    condition: str,
    parameters: Mapping[str, object],
    reaches: Mapping[str, Reach],
) -> None:
    """Note the places of rows of a table of events that Kafka still has, and of what its dead letters hold."""
    if not table.topic:
        return
    reach = reaches[table.topic]
    sql = NOTE_PLACES.replace("__TABLE__", table.name).replace("__CONDITION__", condition)
    place = {"topic": table.topic, "log": reach.log_id, "begins": list(reach.begins)}
    await client.command(sql, {**parameters, **place}, settings=_insert())
    if table.name == "dead_letters":
        for topic, other in reaches.items():
            sql = NOTE_ORIGINS.replace("__CONDITION__", condition)
            place = {"topic": topic, "log": other.log_id, "begins": list(other.begins)}
            await client.command(sql, {**parameters, **place}, settings=_insert())


async def _count(client: ClickHouse, table: str, condition: str, parameters: Mapping[str, object]) -> int:
    rows = await client.rows(f"SELECT count() AS rows FROM {table} WHERE {condition}", parameters)  # noqa: S608
    return int(rows[0]["rows"])


async def _mutate(client: ClickHouse, which: str, table: str, parameters: Mapping[str, object]) -> None:
    await client.command(
        f"ALTER TABLE {client.stored(table)} DELETE {which}",
        parameters,
        settings={"mutations_sync": 2, "allow_nondeterministic_mutations": 1},
    )


async def _forget_places(client: ClickHouse, reaches: Mapping[str, Reach]) -> None:
    """Forget the places of deleted records that Kafka has not any more."""
    for topic, reach in reaches.items():
        parameters = {"topic": topic, "log": reach.log_id, "begins": list(reach.begins)}
        if await _count(client, "deleted_places", FORGET_PLACES, parameters):
            await _mutate(client, f"WHERE {FORGET_PLACES}", "deleted_places", parameters)


def _insert() -> dict[str, str | int]:
    return {"insert_deduplication_token": new_token(), "max_partitions_per_insert_block": PARTITIONS_PER_INSERT_MAX}
