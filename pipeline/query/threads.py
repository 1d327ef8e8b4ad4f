"""Threads: one, in pages, and whether there is one; `thread_search` has them as a stream."""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from pipeline.errors import Unknown
from pipeline.query import filters, shapes, sorting
from pipeline.query.deletions import any_deleted
from pipeline.query.pages import Page, TimeRange
from pipeline.query.parts import (
    PREVIEW_COLUMNS,
    SCORE_COLUMNS,
    SESSION_COLUMNS,
    TAG_COLUMNS,
    review_parts,
    thread_parts,
)
from pipeline.query.reader import Reader
from pipeline.query.rows import PageOf, Thread
from pipeline.query.statement import Scope, Statement
from pipeline.query.telling import Reading, all_told, around_of, threads_of
from pipeline.query.thread_fields import FIELDS, NEWEST_FIRST, SEARCHED, SORTS
from pipeline.query.thread_rows import rows_of

_NAMED: Final = """
SELECT project_id, thread_id FROM thread_ids
WHERE workspace = {workspace:String} AND thread_model_id = {model_id:UUID}
LIMIT 1"""
_COMPUTED: Final = """
SELECT project_id, thread_id FROM threads FINAL PREWHERE workspace = {workspace:String} WHERE model = {model:UInt128}
LIMIT 1"""


class _Chosen(msgspec.Struct, frozen=True, array_like=True):
    """A thread of a page, and of how many it is one: enough to begin reading all that is shown of it."""

    thread_id: str
    first_trace: int
    model: int
    total: int


_CHOSEN: Final = msgspec.json.Decoder(_Chosen)


async def thread(reader: Reader, scope: Scope, thread_id: str, *, truncate: bool, lenient: bool) -> Thread:
    """Return one thread; raises Unknown where the project has none of that id."""
    rows = await rows_of(reader, scope, [thread_id])
    if not rows:
        raise Unknown(f"Thread not found: {thread_id[:200]}")
    return (await threads_of(Reading(reader=reader, scope=scope, truncate=truncate, lenient=lenient), rows))[0]


async def thread_exists(reader: Reader, scope: Scope, thread_id: str) -> bool:
    """Tell whether the project has a trace with that thread id."""
    return bool(await rows_of(reader, scope, [thread_id]))


async def thread_model_exists(reader: Reader, workspace: str, model_id: UUID) -> bool:
    """Tell whether there is a trace of the thread with that model id: as the stream announced it, else computed."""
    found = await reader.ask(_NAMED, {"workspace": workspace, "model_id": str(model_id)}) or await reader.ask(
        _COMPUTED, {"workspace": workspace, "model": model_id.int}
    )
    return bool(found) and await thread_exists(reader, Scope(workspace, found[0]["project_id"]), found[0]["thread_id"])


async def page(reader: Reader, scope: Scope, wanted: Page, *, lenient: bool) -> PageOf:
    """Return one page; without `sorting` the threads that changed last come first."""
    # As if nothing was ever deleted: mostly so, and known as soon as the page.
    deleted, (total, found) = await asyncio.gather(
        any_deleted(reader, scope), _of_page(reader, scope, wanted, lenient=lenient, with_deletions=False)
    )
    if deleted:
        total, found = await _of_page(reader, scope, wanted, lenient=lenient, with_deletions=True)
    reading = Reading(reader=reader, scope=scope, truncate=wanted.truncate, lenient=lenient)
    rows, around = await asyncio.gather(
        rows_of(reader, scope, [one.thread_id for one in found], with_deletions=deleted), around_of(reading, found)
    )
    content = [shapes.without(one, wanted.exclude) for one in await all_told(reading, rows, around)]
    return PageOf(page=wanted.number, size=len(content), total=total, content=content, sortable_by=list(SORTS))


async def _of_page(
    reader: Reader, scope: Scope, wanted: Page, *, lenient: bool, with_deletions: bool
) -> tuple[int, Sequence[_Chosen]]:
    """Return how many threads match, and those of the page."""
    statement = chosen(scope, wanted.filters, wanted.between, lenient=lenient, with_deletions=with_deletions)
    order = sorting.order_by(wanted.sorts, SORTS, NEWEST_FIRST, statement)
    if wanted.search:
        statement.where(filters.contains(wanted.search, SEARCHED, statement))
    size, offset = statement.bind(wanted.size, "UInt32"), statement.bind(wanted.offset, "UInt32")
    select = "SELECT thread_id, first_trace, model, count() OVER () FROM " + source_of(statement, order)  # noqa: S608
    found = await reader.rows_as(_CHOSEN, statement, select, f"{order} LIMIT {size} OFFSET {offset}")
    return found[0].total if found else await _count(reader, statement, wanted), found


def chosen(
    scope: Scope,
    wanted: Sequence[filters.Filter],
    between: TimeRange | None,
    *,
    lenient: bool,
    with_deletions: bool = True,
) -> Statement:
    """Return the statement over the threads that match, which stand in the part `source_of` it.

    A thread is in a range if any of its time is.
    """
    parts = thread_parts(with_deletions=with_deletions) | review_parts()
    statement = Statement(parts, scope.parameters(lenient=lenient))
    filters.apply(wanted, FIELDS, statement)
    if between:
        begin = statement.bind(between.from_us, "Int64")
        end = statement.bind(between.to_us, "Int64")
        statement.where(
            f"coalesce(end_us, start_us, created_us) >= {begin} AND coalesce(start_us, created_us) <= {end}"
        )
    return statement


def source_of(statement: Statement, order: str = "") -> str:
    """Return the simplest part that has the columns which the conditions of `statement`, or `order`, name."""
    with_scores, with_tags = (statement.mentions(names, order) for names in (SCORE_COLUMNS, TAG_COLUMNS))
    if with_scores or with_tags:
        return "reviewed" if with_scores and with_tags else "scored" if with_scores else "labelled"
    return "stated" if statement.mentions(SESSION_COLUMNS, order) else "folded"


def is_in_order(statement: Statement, *, with_deletions: bool) -> bool:
    """Tell whether what `chosen` gave can be read as threads are stored in the order of streams (`parts.in_order`)."""
    told_by_traces = source_of(statement) == "folded" and not statement.mentions(PREVIEW_COLUMNS)
    return told_by_traces and not with_deletions


async def _count(reader: Reader, statement: Statement, wanted: Page) -> int:
    """Return how many rows there are, when the page has none to say it: the first page then has none either."""
    if wanted.number == 1:
        return 0
    found = await reader.rows(statement, "SELECT count() AS total FROM " + source_of(statement))  # noqa: S608 - a part of ours
    return int(found[0]["total"])
