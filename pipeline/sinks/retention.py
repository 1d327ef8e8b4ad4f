"""Drop what is past the retention of its workspace, a month at a time.

Tables are divided by the month in the ids of traces, so a month that is over for all of its workspaces is dropped as
whole parts, whatever their size, and costs nothing. Where only some of its workspaces are done with a month, their rows
are deleted from that month alone. What has no month of its own, since its id has no time or it belongs to a thread,
goes by when it was last said, by mutations that have work once a month. Everything is kept for at least the days that
are set, and for at most a month longer.

The places of what Kafka still has are noted first, so that it is not taken for lost. Sinks go on storing meanwhile, so
a month is moved aside, at once, and is noted and dropped there; of single rows only those go whose places are noted.
Everything may be repeated, so a run that was cut off is finished by the next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from pipeline.adapters.clickhouse.client import PARTITIONS_PER_INSERT_MAX, ClickHouse, new_token
from pipeline.sinks.retention_sql import (
    BY_ROW,
    FORGET_PLACES,
    IS_NOTED,
    MONTHS,
    NOTE_ORIGINS,
    NOTE_PLACES,
    PUT_BACK,
    THREADS_BEFORE,
    TIMELESS,
    WITHIN,
    WITHOUT_ROW,
    Expiring,
    aside,
)
from pipeline.sinks.thread_fold import OF_THREADS, fold_of

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
    cutoffs = Cutoffs(days, now_us)
    for table in MONTHS:
        if days:
            await _leave_months(client, cutoffs, reaches, table, dropped)
        await _end_months(client, cutoffs, reaches, table, dropped)
    if days:
        for rows in (*TIMELESS, *BY_ROW):
            await _delete(client, rows, cutoffs.parameters(), reaches, dropped)
        # Threads of which traces went have no row now; those that have others left are folded again.
        await client.command(fold_of(WITHOUT_ROW), settings=_insert())
    await _forget_places(client, reaches)
    return dropped


async def _leave_months(
    client: ClickHouse,
    cutoffs: Cutoffs,
    reaches: Mapping[str, Reach],
    table: Expiring,
    dropped: Dropped,
) -> None:
    """Set the months aside that are over for all, and delete from those that are over for some."""
    for month, present in await _months(client, table.name):
        over = [workspace for workspace in present if cutoffs.is_over(workspace, int(month))]
        if month == "197001" or not over:
            continue
        if len(over) == len(present):
            move = f"MOVE PARTITION ID {{month:String}} TO TABLE {client.named(aside(table.name))}"
            await client.command(f"ALTER TABLE {client.stored(table.name)} {move}", {"month": month})
        else:
            which = {"month": month, "over": over}
            await _forget_threads(client, table, table.name, which)
            await _delete(client, replace(table, condition=WITHIN), which, reaches, dropped, month=month)


async def _end_months(
    client: ClickHouse,
    cutoffs: Cutoffs,
    reaches: Mapping[str, Reach],
    table: Expiring,
    dropped: Dropped,
) -> None:
    """Drop the months that were set aside, now or by a run that was cut off.

    A workspace that keeps them may have said something between the look and the move: that goes back. Nothing comes in
    after the note, since sinks do not write here, and only one of them drops months (`watch`).
    """
    source = aside(table.name)
    for month, present in await _months(client, source):
        over = [workspace for workspace in present if cutoffs.is_over(workspace, int(month))]
        which = {"month": month, "over": over}
        await _forget_threads(client, table, source, which)
        await _note(client, replace(table, name=source), WITHIN, which, reaches)
        if len(over) < len(present):
            back = PUT_BACK.replace("__TABLE__", table.name).replace("__ASIDE__", source)
            await client.command(back, which, settings=_insert())
        await client.command(
            f"ALTER TABLE {client.stored(source)} DROP PARTITION ID {{month:String}}", {"month": month}
        )
        dropped.partitions += bool(over)


async def _months(client: ClickHouse, table: str) -> list[tuple[str, list[str]]]:
    """Return the months of a table, as yyyymm, the oldest first, each with the workspaces that have rows in it."""
    select = "SELECT _partition_id AS month, groupUniqArray(workspace) AS present"
    rows = await client.rows(f"{select} FROM {table} GROUP BY month ORDER BY month")
    return [(row["month"], row["present"]) for row in rows]


async def _forget_threads(client: ClickHouse, table: Expiring, source: str, which: Mapping[str, object]) -> None:
    """Delete the folded rows of threads that count traces of a month of `source`, if it has traces by thread."""
    if table.name == "thread_traces":
        for of_threads in OF_THREADS:
            await _mutate(client, THREADS_BEFORE.replace("__TABLE__", source), of_threads, which)


async def _delete(
    client: ClickHouse,
    rows: Expiring,
    parameters: Mapping[str, object],
    reaches: Mapping[str, Reach],
    dropped: Dropped,
    *,
    month: str = "",
) -> None:
    """Delete rows of any month, or of one; of events those whose places are noted.

    What was stored since the note has none yet: it waits for the next run, or it would be taken for lost.
    """
    found = await _count(client, rows.name, rows.condition, parameters)
    if not found:
        return
    await _note(client, rows, rows.condition, parameters, reaches)
    condition = rows.condition
    if rows.topic:
        condition = f"({condition}) AND {IS_NOTED}"
        parameters = {**parameters, **_place(rows.topic, reaches[rows.topic])}
    await _mutate(
        client, f"{'IN PARTITION ID {month:String} ' if month else ''}WHERE {condition}", rows.name, parameters
    )
    dropped.rows += found


async def _note(
    client: ClickHouse,
    table: Expiring,
    condition: str,
    parameters: Mapping[str, object],
    reaches: Mapping[str, Reach],
) -> None:
    """Note the places of rows of a table of events that Kafka still has, and of what its dead letters hold."""
    if not table.topic or table.are_copies:
        return
    sql = NOTE_PLACES.replace("__TABLE__", table.name).replace("__CONDITION__", condition)
    await client.command(sql, {**parameters, **_place(table.topic, reaches[table.topic])}, settings=_insert())
    if table.name == "dead_letters":
        for topic, other in reaches.items():
            sql = NOTE_ORIGINS.replace("__CONDITION__", condition)
            await client.command(sql, {**parameters, **_place(topic, other)}, settings=_insert())


def _place(topic: str, reach: Reach) -> dict[str, object]:
    """Return what the SQL of places binds."""
    return {"topic": topic, "log": reach.log_id, "begins": list(reach.begins)}


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
        parameters = _place(topic, reach)
        if await _count(client, "deleted_places", FORGET_PLACES, parameters):
            await _mutate(client, f"WHERE {FORGET_PLACES}", "deleted_places", parameters)


def _insert() -> dict[str, str | int]:
    return {"insert_deduplication_token": new_token(), "max_partitions_per_insert_block": PARTITIONS_PER_INSERT_MAX}
