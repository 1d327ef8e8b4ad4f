"""Erase traces and threads from every table, and see to it that they stay erased.

What is to go stands in the table `erased`. Rows of events go once their places are noted in `deleted_places`, so that
they are not taken for lost, by mutations, which rewrite the parts: nothing of them is left in files. All of it may be
repeated: a run that was cut off is finished by the next, and what comes back is erased by `sweep`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pipeline.adapters.clickhouse.client import PARTITIONS_PER_INSERT_MAX, ClickHouse, new_token
from pipeline.events.identity import NIL_ID, ThreadRef, thread_model_id
from pipeline.sinks import erasure_sql
from pipeline.sinks.erasure_sql import COPIES, EVENTS, PLAN, TOUCHED, Erasable
from pipeline.sinks.thread_fold import OF_THREADS, fold_of

_COLUMNS: Final = ("plan", "workspace", "entity_type", "entity_id", "project_id", "thread_id", "erased_at_us")
_IN_FORCE: Final = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A trace, or a span of `trace_id`, that an erasure found."""

    workspace: str
    id: UUID
    trace_id: UUID | None = None


async def draft(
    client: ClickHouse, plan: str, threads: Sequence[ThreadRef], traces: Sequence[tuple[str, UUID]], *, at_us: int
) -> None:
    """Note what `plan` would erase: whole threads, traces by workspace and id, and what belongs to them.

    Nothing is erased yet, and nothing else takes notice. `at_us` is now, in microseconds since 1970 UTC.
    """
    rows: list[tuple[object, ...]] = [
        (plan, one.workspace, "thread", thread_model_id(one.project_id, one.thread_id), one.project_id, one.thread_id)
        for one in threads
    ]
    rows += [(plan, workspace, "trace", trace_id, NIL_ID, "") for workspace, trace_id in traces]
    if rows:
        columns = [*zip(*rows, strict=True), [at_us] * len(rows)]
        await client.insert_columns("erased", _COLUMNS, columns)
    await _complete(client, plan)


async def forget(client: ClickHouse, plan: str) -> None:
    """Take a plan back."""
    await client.command(
        f"ALTER TABLE {client.stored('erased')} DELETE WHERE plan = '{plan}'",
        settings={"mutations_sync": 2},
    )


async def count(client: ClickHouse, plan: str, *, since_ms: int = 0) -> dict[str, int]:
    """Return how many rows of each table `plan` would erase, of events and of what follows from them.

    Of dead letters only those count that were appended at `since_ms` or later: to look into their bytes takes long.
    """
    return {
        rows.table: (await client.rows(f"SELECT count() AS rows FROM {rows.table} WHERE {_of(rows, plan, since_ms)}"))[  # noqa: S608
            0
        ]["rows"]
        for rows in (*EVENTS, *COPIES)
    }


async def threads_of(client: ClickHouse, plan: str) -> list[ThreadRef]:
    """Return the threads of a plan."""
    sql = "SELECT DISTINCT workspace, project_id, thread_id FROM erased WHERE plan = {plan:String}"
    rows = await client.rows(f"{sql} AND entity_type = 'thread'", {"plan": plan})
    return [ThreadRef(row["workspace"], row["project_id"], row["thread_id"]) for row in rows]


async def traces_of(client: ClickHouse, plan: str) -> list[Found]:
    """Return the traces of a plan."""
    sql = "SELECT DISTINCT workspace, entity_id FROM erased WHERE plan = {plan:String} AND entity_type = 'trace'"
    return [Found(row["workspace"], row["entity_id"]) for row in await client.rows(sql, {"plan": plan})]


async def spans_of(client: ClickHouse, plan: str) -> list[Found]:
    """Return the spans of a plan, each with its trace."""
    sql = (
        "SELECT DISTINCT workspace, id, trace_id FROM span_events WHERE (workspace, toUInt128(trace_id)) IN "
        "(SELECT workspace, toUInt128(entity_id) FROM erased WHERE plan = {plan:String} AND entity_type = 'trace')"
    )
    return [Found(row["workspace"], row["id"], row["trace_id"]) for row in await client.rows(sql, {"plan": plan})]


async def decree(client: ClickHouse, plan: str) -> None:
    """Put `plan` in force: from now on `sweep` erases it, whatever becomes of this process."""
    await client.command(_filled(erasure_sql.DECREE, plan), settings=_insert())


async def sweep(client: ClickHouse, *, since_ms: int) -> int:
    """Erase what is there of anything that is to be erased, or ever was; return how many rows.

    It is for good once the tombstones are stored, so that whoever folds a trace finds one. Dead letters are looked into
    if they were appended at `since_ms` or later, and all of them where something new is to be erased.
    """
    if not await client.rows("SELECT 1 AS found FROM erased WHERE plan = '' LIMIT 1"):
        return 0
    await _complete(client, _IN_FORCE)
    if await client.rows("SELECT 1 AS found FROM erased FINAL WHERE plan = '' AND NOT is_done LIMIT 1"):
        since_ms = 0
    counts = await count(client, _IN_FORCE, since_ms=since_ms)
    if any(counts.values()):
        await _erase(client, counts, since_ms)
    await client.command(erasure_sql.DONE, settings=_insert())
    return sum(counts.values())


async def _complete(client: ClickHouse, plan: str) -> None:
    """Add the traces of erased threads, and their spans."""
    for find in (erasure_sql.FIND_TRACES, erasure_sql.FIND_SPANS):
        await client.command(_filled(find, plan), settings=_insert())


async def _erase(client: ClickHouse, counts: Mapping[str, int], since_ms: int) -> None:
    for rows in (*EVENTS, *COPIES):
        if counts[rows.table]:
            condition = _of(rows, _IN_FORCE, since_ms)
            if rows.topic:
                await _note_places(client, rows, condition)
                # What was stored since has no note yet: it waits for the next sweep, or would be taken for lost.
                condition = f"({condition}) AND {erasure_sql.NOTED.replace('__TOPIC__', rows.topic)}"
            await _delete(client, rows.table, condition)
    touched = _filled(TOUCHED, _IN_FORCE)
    for table in OF_THREADS:
        await _delete(client, table, f"(workspace, project_id, thread_id) IN ({touched})")
    await client.command(fold_of(touched), settings=_insert())


async def _note_places(client: ClickHouse, rows: Erasable, condition: str) -> None:
    note = erasure_sql.NOTE_PLACES.replace("__TOPIC__", rows.topic).replace("__TABLE__", rows.table)
    await client.command(note.replace("__CONDITION__", condition), settings=_insert())
    if rows.table == "dead_letters":
        await client.command(erasure_sql.NOTE_ORIGINS.replace("__CONDITION__", condition), settings=_insert())


async def _delete(client: ClickHouse, table: str, condition: str) -> None:
    sql = f"ALTER TABLE {client.stored(table)} DELETE WHERE {condition}"
    await client.command(sql, settings={"mutations_sync": 2, "allow_nondeterministic_mutations": 1})


def _of(rows: Erasable, plan: str, since_ms: int) -> str:
    return _filled(rows.condition, plan).replace("__SINCE_MS__", str(since_ms))


def _filled(sql: str, plan: str) -> str:
    return sql.replace(PLAN, plan)


def _insert() -> dict[str, str | int]:
    return {"insert_deduplication_token": new_token(), "max_partitions_per_insert_block": PARTITIONS_PER_INSERT_MAX}
