"""Spans: by id, as a stream from the newest id on, and in pages; of one trace or of a project."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from pipeline.errors import Unknown
from pipeline.events.identity import DEFAULT_PROJECT_NAME, NIL_ID, project_id
from pipeline.query import filters, shapes, sorting
from pipeline.query.annotations import comments_of
from pipeline.query.pages import Page, Search, TimeRange, range_of, uuid_of
from pipeline.query.payloads import Wanted, payloads, runs_of
from pipeline.query.reader import Reader
from pipeline.query.rows import PageOf, Span
from pipeline.query.scores import scores_of
from pipeline.query.span_fields import FIELDS, SEARCHED, SORTS, field_parts, source_of
from pipeline.query.statement import Scope, Statement

_BY_ID: Final = """
SELECT * FROM spans FINAL
WHERE workspace = {workspace:String} AND toUInt128(id) = {id:UInt128} AND toUInt128(trace_id) IN (
    SELECT toUInt128(trace_id) FROM span_events WHERE workspace = {workspace:String} AND id = {span_id:UUID}
)
ORDER BY last_updated_at_us DESC
LIMIT 1"""


async def span(reader: Reader, workspace: str, span_id: UUID, *, truncate: bool = False) -> Span:
    """Return one span with its whole payload; raises Unknown where there is none."""
    found = await reader.ask(_BY_ID, {"workspace": workspace, "id": span_id.int, "span_id": str(span_id)})
    if not found:
        raise Unknown(f"Span not found: {span_id}")
    return (await _spans(reader, workspace, found, truncate=truncate))[0]


async def search(reader: Reader, scope: Scope, wanted: Search) -> AsyncIterator[list[Span]]:
    """Return the spans that match, newest id first, below the cursor; in runs of bounded size.

    The spans are chosen before this returns, so that what is wrong is raised before the first byte of an answer.
    """
    between = range_of(wanted.from_time, wanted.to_time)
    statement = _statement(scope, wanted.trace_id, wanted.type, wanted.filters or [], between)
    if wanted.last_retrieved_id:
        cursor = statement.bind(uuid_of(wanted.last_retrieved_id, "last_retrieved_id").int, "UInt128")
        statement.where(f"toUInt128(id) < {cursor}")
    limit = statement.bind(wanted.limit_or_default, "UInt32")
    rows = await reader.rows(statement, "SELECT * FROM live_spans", f"ORDER BY toUInt128(id) DESC LIMIT {limit}")
    return _runs(reader, scope.workspace, rows, truncate=bool(wanted.truncate), exclude=wanted.exclude or [])


async def page(reader: Reader, scope: Scope, wanted: Page, *, trace_id: str | None, type_: str | None) -> PageOf:
    """Return one page; without `sorting` the newest ids come first."""
    statement = _statement(scope, trace_id, type_, wanted.filters, wanted.between)
    order = sorting.order_by(wanted.sorts, SORTS, ("toUInt128(id) DESC",), statement)
    if wanted.search:
        statement.where(filters.contains(wanted.search, SEARCHED, statement))
    size, offset = statement.bind(wanted.size, "UInt32"), statement.bind(wanted.offset, "UInt32")
    select = "SELECT *, count() OVER () AS total FROM " + source_of(wanted.sorts)  # noqa: S608 - a part of ours
    rows = await reader.rows(statement, select, f"{order} LIMIT {size} OFFSET {offset}")
    total = rows[0]["total"] if rows else await _count(reader, statement, wanted)
    content: list[Span] = []
    async for run in _runs(reader, scope.workspace, rows, truncate=wanted.truncate, exclude=wanted.exclude):
        content += run
    return PageOf(page=wanted.number, size=len(content), total=total, content=content, sortable_by=list(SORTS))


async def score_names(reader: Reader, scope: Scope, *, type_: str | None) -> list[str]:
    """Return the names under which the project's spans, of a type where one is given, have scores."""
    statement = _statement(scope, None, type_, [], None).choose("typed", "live_spans")
    statement.where("entity IN (SELECT toUInt128(id) FROM typed)")
    found = await reader.rows(statement, "SELECT DISTINCT name FROM scores", "ORDER BY name")
    return [row["name"] for row in found]


def _statement(
    scope: Scope, trace_id: str | None, type_: str | None, wanted: Sequence[filters.Filter], between: TimeRange | None
) -> Statement:
    """Return the statement over `live_spans`: all of one trace, whatever project they name, or those of a project."""
    statement = Statement(field_parts(of_trace=bool(trace_id)), scope.parameters(nil=str(NIL_ID)))
    if trace_id:
        # The name stands in the part `live_spans`, so that the sorting key narrows before rows are folded.
        statement.give("trace", uuid_of(trace_id, "trace_id").int)
    else:
        default = project_id(scope.workspace, DEFAULT_PROJECT_NAME) == scope.project_id
        statement.give("with_unnamed", default)
    if type_:
        statement.where(f"type = {statement.bind(type_, 'String')}")
    filters.apply(wanted, FIELDS, statement)
    if between:
        begin = statement.bind(between.from_us, "Int64")
        end = statement.bind(between.to_us, "Int64")
        statement.where(f"ifNull(start_time_us, created_at_us) BETWEEN {begin} AND {end}")
    return statement


async def _count(reader: Reader, statement: Statement, wanted: Page) -> int:
    """Return how many rows there are, when the page has none to say it: the first page then has none either."""
    if wanted.number == 1:
        return 0
    found = await reader.rows(statement, "SELECT count() AS total FROM live_spans")
    return int(found[0]["total"])


async def _runs(
    reader: Reader, workspace: str, rows: Sequence[Mapping[str, Any]], *, truncate: bool, exclude: Sequence[str]
) -> AsyncIterator[list[Span]]:
    for run in runs_of(rows, [row["input_bytes"] + row["output_bytes"] for row in rows]):
        found = await _spans(reader, workspace, run, truncate=truncate)
        yield [shapes.without(row, exclude) for row in found]


async def _spans(reader: Reader, workspace: str, rows: Sequence[Mapping[str, Any]], *, truncate: bool) -> list[Span]:
    ids = [row["id"] for row in rows]
    whole, scores, remarks = await asyncio.gather(
        payloads(reader, workspace, [Wanted(row["id"], row["trace_id"]) for row in rows], truncate=truncate),
        scores_of(reader, workspace, "span", ids),
        comments_of(reader, workspace, "span", ids),
    )
    default = project_id(workspace, DEFAULT_PROJECT_NAME)
    return [
        shapes.span(
            row if row["project_id"] != NIL_ID else {**row, "project_id": default},
            whole[row["id"]], scores.get(row["id"], []), [remark.comment for remark in remarks.get(row["id"], [])],
        )
        for row in rows
    ]  # fmt: skip
