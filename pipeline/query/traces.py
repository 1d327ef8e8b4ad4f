"""Traces: by id, as a stream from the newest id on, and in pages."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from pipeline.errors import Unknown
from pipeline.events.identity import DEFAULT_PROJECT_NAME, project_id
from pipeline.query import filters, shapes, sorting
from pipeline.query.annotations import comments_of
from pipeline.query.deletions import any_deleted
from pipeline.query.pages import Page, Search, TimeRange, range_of, uuid_of
from pipeline.query.parts import DELETIONS, trace_parts
from pipeline.query.payloads import Wanted, payloads, runs_of
from pipeline.query.reader import Reader
from pipeline.query.rows import PageOf, Trace
from pipeline.query.scores import scores_of
from pipeline.query.statement import Scope, Statement
from pipeline.query.trace_fields import FIELDS, SEARCHED, SORTS, field_parts, source_of

_COLUMNS: Final = """SELECT
    id, project_id, thread_id, name, start_time_us, end_time_us, input_bytes, output_bytes, tags, ttft, source,
    environment, created_at_us, last_updated_at_us, first_version_us"""
FROM_LIVE: Final = _COLUMNS + " FROM live"
"""What rows of traces are made of."""

# The folded row stands under the project and thread that some event named, or under those that stand for none.
_BY_ID: Final = f"""{_COLUMNS}
FROM traces FINAL
WHERE workspace = {{workspace:String}}
  AND project_id IN (
      SELECT project_id FROM trace_fields WHERE workspace = {{workspace:String}} AND toUInt128(id) = {{id:UInt128}}
      UNION ALL SELECT {{default_project:UUID}}
  )
  AND thread_id IN (
      SELECT thread_id FROM trace_fields WHERE workspace = {{workspace:String}} AND toUInt128(id) = {{id:UInt128}}
      UNION ALL SELECT ''
  )
  AND toUInt128(id) = {{id:UInt128}}
ORDER BY last_updated_at_us DESC
LIMIT 1"""  # noqa: S608 - composed of constants
_DELETION: Final = DELETIONS.replace("/* narrow */", "AND thread_id = {thread_id:String}")

_COSTS: Final = """
SELECT
    trace_id, sumMap(usage) AS usage, sum(total_estimated_cost) AS cost, count() AS spans,
    countIf(type = 'llm') AS llm_spans
FROM spans FINAL
WHERE workspace = {workspace:String} AND toUInt128(trace_id) IN {ids:Array(UInt128)}
GROUP BY trace_id"""


async def trace(reader: Reader, workspace: str, trace_id: UUID, *, truncate: bool = False) -> Trace:
    """Return one trace with its whole payload; raises Unknown where there is none."""
    found = await reader.ask(
        _BY_ID,
        {
            "workspace": workspace, "id": trace_id.int,
            "default_project": str(project_id(workspace, DEFAULT_PROJECT_NAME)),
        },
    )  # fmt: skip
    if not found or await _went_with_its_thread(reader, workspace, found[0]):
        raise Unknown(f"Trace not found: {trace_id}")
    return (await _traces(reader, workspace, found, truncate=truncate))[0]


async def _went_with_its_thread(reader: Reader, workspace: str, row: Mapping[str, Any]) -> bool:
    if not row["thread_id"]:
        return False
    scope = Scope(workspace, row["project_id"])
    found = await reader.ask(_DELETION, scope.parameters(thread_id=row["thread_id"]))
    return any(row["first_version_us"] <= deletion["deleted_at_us"] for deletion in found)


async def search(reader: Reader, scope: Scope, wanted: Search) -> AsyncIterator[list[Trace]]:
    """Return the traces that match, newest id first, below the cursor; in runs of bounded size.

    The traces are chosen before this returns, so that what is wrong is raised before the first byte of an answer.
    """
    between = range_of(wanted.from_time, wanted.to_time)
    statement = _statement(scope, wanted.filters or [], between, with_deletions=await any_deleted(reader, scope))
    if wanted.last_retrieved_id:
        cursor = statement.bind(uuid_of(wanted.last_retrieved_id, "last_retrieved_id").int, "UInt128")
        statement.where(f"toUInt128(id) < {cursor}")
    limit = statement.bind(wanted.limit_or_default, "UInt32")
    rows = await reader.rows(statement, FROM_LIVE, f"ORDER BY toUInt128(id) DESC LIMIT {limit}")
    return runs(reader, scope.workspace, rows, truncate=bool(wanted.truncate), exclude=wanted.exclude or [])


async def page(reader: Reader, scope: Scope, wanted: Page) -> PageOf:
    """Return one page; without `sorting` the newest ids come first."""
    statement = await matching(reader, scope, wanted)
    order = sorting.order_by(wanted.sorts, SORTS, ("toUInt128(id) DESC",), statement)
    size, offset = statement.bind(wanted.size, "UInt32"), statement.bind(wanted.offset, "UInt32")
    source = source_of(statement, wanted.sorts)
    select = f"{_COLUMNS}, count() OVER () AS total FROM {source}"
    rows = await reader.rows(statement, select, f"{order} LIMIT {size} OFFSET {offset}")
    total = rows[0]["total"] if rows else await _count(reader, statement, wanted, source)
    content: list[Trace] = []
    async for run in runs(reader, scope.workspace, rows, truncate=wanted.truncate, exclude=wanted.exclude):
        content += run
    return PageOf(page=wanted.number, size=len(content), total=total, content=content, sortable_by=list(SORTS))


async def matching(reader: Reader, scope: Scope, wanted: Page) -> Statement:
    """Return the statement over `live` with the conditions of a page."""
    statement = _statement(scope, wanted.filters, wanted.between, with_deletions=await any_deleted(reader, scope))
    if wanted.search:
        statement.where(filters.contains(wanted.search, SEARCHED, statement))
    return statement


async def score_names(reader: Reader, scope: Scope) -> list[str]:
    """Return the names under which the project's traces have scores, in alphabetical order."""
    statement = _statement(scope, [], None, with_deletions=await any_deleted(reader, scope))
    statement.where("entity IN (SELECT toUInt128(id) FROM live)")
    found = await reader.rows(statement, "SELECT DISTINCT name FROM scores", "ORDER BY name")
    return [row["name"] for row in found]


async def exists(reader: Reader, scope: Scope, *, source: str | None, thread_only: bool) -> bool:
    """Tell whether the project has a trace: of `source`, where given, and in a thread, where `thread_only`."""
    statement = _statement(scope, [], None, with_deletions=await any_deleted(reader, scope))
    if source:
        statement.where(f"source = {statement.bind(source, 'String')}")
    if thread_only:
        statement.where("thread_id != ''")
    return bool(await reader.rows(statement, "SELECT 1 AS found FROM live", "LIMIT 1"))


def _statement(
    scope: Scope, wanted: Sequence[filters.Filter], between: TimeRange | None, *, with_deletions: bool
) -> Statement:
    statement = Statement(trace_parts(with_deletions=with_deletions) | field_parts(), scope.parameters())
    filters.apply(wanted, FIELDS, statement)
    if between:
        begin = statement.bind(between.from_us, "Int64")
        end = statement.bind(between.to_us, "Int64")
        statement.where(f"ifNull(start_time_us, created_at_us) BETWEEN {begin} AND {end}")
    return statement


async def _count(reader: Reader, statement: Statement, wanted: Page, source: str) -> int:
    """Return how many rows there are, when the page has none to say it: the first page then has none either."""
    if wanted.number == 1:
        return 0
    found = await reader.rows(statement, f"SELECT count() AS total FROM {source}")  # noqa: S608 - a part of ours
    return int(found[0]["total"])


async def runs(
    reader: Reader, workspace: str, rows: Sequence[Mapping[str, Any]], *, truncate: bool, exclude: Sequence[str] = ()
) -> AsyncIterator[list[Trace]]:
    """Yield the traces of `rows`, which are of `FROM_LIVE`, in runs whose payloads may be held at once."""
    for run in runs_of(rows, [row["input_bytes"] + row["output_bytes"] for row in rows]):
        found = await _traces(reader, workspace, run, truncate=truncate)
        yield [shapes.without(row, exclude) for row in found]


async def _traces(reader: Reader, workspace: str, rows: Sequence[Mapping[str, Any]], *, truncate: bool) -> list[Trace]:
    ids = [row["id"] for row in rows]
    whole, scores, remarks, costs = await asyncio.gather(
        payloads(reader, workspace, [Wanted(id_) for id_ in ids], truncate=truncate),
        scores_of(reader, workspace, "trace", ids),
        comments_of(reader, workspace, "trace", ids),
        reader.ask(_COSTS, {"workspace": workspace, "ids": [id_.int for id_ in ids]}),
    )
    spent = {cost["trace_id"]: cost for cost in costs}
    return [
        shapes.trace(
            row,
            whole[row["id"]],
            scores.get(row["id"], []),
            [remark.comment for remark in remarks.get(row["id"], [])],
            spent.get(row["id"]),
        )
        for row in rows
    ]
