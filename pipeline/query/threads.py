"""Threads: one, as a stream, in pages; and whether there is one.

A stream is ordered by (first trace id, model id), newest first, and its cursor is resolved to that pair. A trace is in
one thread at a time, so first trace ids are distinct; the model id decides only for the moment in which a trace that
moves is seen in both.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pipeline.errors import Malformed, Unknown
from pipeline.events.identity import thread_model_id
from pipeline.query import filters, shapes, sorting
from pipeline.query.annotations import comments_of
from pipeline.query.deletions import any_deleted
from pipeline.query.messages import put_messages
from pipeline.query.pages import Page, Search, TimeRange, range_of
from pipeline.query.parts import COSTS, MODEL, REVIEW_COLUMNS, SESSION_COLUMNS, review_parts, thread_parts
from pipeline.query.reader import PARAMETER_BYTES_MAX, Reader, chunks
from pipeline.query.rows import PageOf, Thread
from pipeline.query.scores import scores_by_name
from pipeline.query.statement import Scope, Statement
from pipeline.query.thread_fields import FIELDS, NEWEST_FIRST, SEARCHED, SORTS

STREAM_CHUNK_THREADS: Final = 2000

_DETAILS: Final = """SELECT
    thread_id, status, deleted_at_us, start_us, end_us, messages, created_us, last_updated_us, source, environment,
    counted, tags, first_id, last_id
FROM threads"""
_MODEL_KNOWN: Final = """
SELECT thread_id FROM thread_ids
WHERE workspace = {workspace:String} AND thread_model_id = {model_id:UUID} AND project_id = {project_id:UUID} LIMIT 1"""


_NAMED: Final = """
SELECT project_id, thread_id FROM thread_ids
WHERE workspace = {workspace:String} AND thread_model_id = {model_id:UUID}
LIMIT 1"""
_COMPUTED: Final = f"""
SELECT project_id, thread_id
FROM (SELECT DISTINCT project_id, thread_id FROM traces WHERE workspace = {{workspace:String}} AND thread_id != '')
WHERE {MODEL.replace("{project_id:String}", "toString(project_id)")} = {{model:UInt128}}
LIMIT 1"""  # noqa: S608 - composed of constants


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """How threads are read; `maybe_deleted` is false where it is known that none of the project ever was."""

    reader: Reader
    scope: Scope
    truncate: bool
    lenient: bool
    maybe_deleted: bool = True


async def thread(reader: Reader, scope: Scope, thread_id: str, *, truncate: bool, lenient: bool) -> Thread:
    """Return one thread; raises Unknown where the project has none of that id."""
    reading = _Reading(reader=reader, scope=scope, truncate=truncate, lenient=lenient)
    found = await _threads(reading, [thread_id])
    if not found:
        raise Unknown(f"Thread not found: {thread_id[:200]}")
    return found[0]


async def thread_exists(reader: Reader, scope: Scope, thread_id: str) -> bool:
    """Tell whether the project has a trace with that thread id."""
    parts = thread_parts(narrowed=True, with_deletions=await any_deleted(reader, scope, [thread_id]))
    statement = Statement(parts, scope.parameters(thread_ids=[thread_id]))
    return bool(await reader.rows(statement, "SELECT 1 AS found FROM live", "LIMIT 1"))


async def thread_model_exists(reader: Reader, workspace: str, model_id: UUID) -> bool:
    """Tell whether there is a trace of the thread with that model id: as the stream announced it, else computed."""
    found = await reader.ask(_NAMED, {"workspace": workspace, "model_id": str(model_id)}) or await reader.ask(
        _COMPUTED, {"workspace": workspace, "model": model_id.int}
    )
    return bool(found) and await thread_exists(reader, Scope(workspace, found[0]["project_id"]), found[0]["thread_id"])


async def search(reader: Reader, scope: Scope, wanted: Search, *, lenient: bool) -> AsyncIterator[list[Thread]]:
    """Return the threads that match, newest first, after the cursor; in runs of bounded size.

    The threads are chosen before this returns, so that what is wrong is raised before the first byte of an answer.
    """
    between = range_of(wanted.from_time, wanted.to_time)
    deleted = await any_deleted(reader, scope)
    statement = chosen(scope, wanted.filters or [], between, lenient=lenient, with_deletions=deleted)
    if wanted.last_retrieved_thread_model_id:
        first_trace, model = await _position(reader, scope, wanted.last_retrieved_thread_model_id)
        cursor = f"({statement.bind(first_trace, 'UInt128')}, {statement.bind(model, 'UInt128')})"
        statement.where(f"(first_trace, model) < {cursor}")
    limit = statement.bind(wanted.limit_or_default, "UInt32")
    tail = f"ORDER BY first_trace DESC, model DESC LIMIT {limit}"
    rows = await reader.rows(statement, "SELECT thread_id FROM " + source_of(statement), tail)  # noqa: S608 - a part of ours
    return _runs(
        _Reading(reader=reader, scope=scope, truncate=bool(wanted.truncate), lenient=lenient, maybe_deleted=deleted),
        [row["thread_id"] for row in rows],
        exclude=wanted.exclude or [],
    )


async def page(reader: Reader, scope: Scope, wanted: Page, *, lenient: bool) -> PageOf:
    """Return one page; without `sorting` the threads that changed last come first."""
    order = sorting.order_by(wanted.sorts, SORTS, NEWEST_FIRST)
    deleted = await any_deleted(reader, scope)
    statement = chosen(scope, wanted.filters, wanted.between, lenient=lenient, with_deletions=deleted)
    if wanted.search:
        statement.where(filters.contains(wanted.search, SEARCHED, statement))
    size, offset = statement.bind(wanted.size, "UInt32"), statement.bind(wanted.offset, "UInt32")
    select = "SELECT thread_id, count() OVER () AS total FROM " + source_of(statement, order)  # noqa: S608 - a part of ours
    rows = await reader.rows(statement, select, f"{order} LIMIT {size} OFFSET {offset}")
    total = rows[0]["total"] if rows else await _count(reader, statement, wanted)
    content: list[Thread] = []
    reading = _Reading(reader=reader, scope=scope, truncate=wanted.truncate, lenient=lenient, maybe_deleted=deleted)
    async for run in _runs(reading, [row["thread_id"] for row in rows], exclude=wanted.exclude):
        content += run
    return PageOf(page=wanted.number, size=len(content), total=total, content=content, sortable_by=list(SORTS))


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
    parts = thread_parts(with_deletions=with_deletions) | review_parts() | {"costs": COSTS}
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
    if statement.mentions(REVIEW_COLUMNS, order):
        return "threads"
    return "stated" if statement.mentions(SESSION_COLUMNS, order) else "folded"


async def _count(reader: Reader, statement: Statement, wanted: Page) -> int:
    """Return how many rows there are, when the page has none to say it: the first page then has none either."""
    if wanted.number == 1:
        return 0
    found = await reader.rows(statement, "SELECT count() AS total FROM " + source_of(statement))  # noqa: S608 - a part of ours
    return int(found[0]["total"])


async def _position(reader: Reader, scope: Scope, cursor: str) -> tuple[int, int]:
    """Return where the thread of a cursor stands: a model id, or a thread id, which is what the Python SDK sends.

    Raises Malformed where the project has no such thread (any more): to begin anew would repeat what was sent.
    """
    for thread_id in (await _named_by(reader, scope, cursor), cursor):
        if thread_id is None:
            continue
        parts = thread_parts(narrowed=True, with_deletions=await any_deleted(reader, scope, [thread_id]))
        statement = Statement(parts, scope.parameters(thread_ids=[thread_id]))
        found = await reader.rows(statement, "SELECT first_trace, model FROM folded")
        if found:
            return found[0]["first_trace"], found[0]["model"]
    raise Malformed(
        f"last_retrieved_thread_model_id names no thread of the project: {cursor[:100]}",
        field="last_retrieved_thread_model_id",
    )


async def _named_by(reader: Reader, scope: Scope, cursor: str) -> str | None:
    """Return the thread id of a model id: as the stream announced it, else computed from the project's threads."""
    try:
        model = UUID(cursor)
    except ValueError:
        return None
    found = await reader.ask(_MODEL_KNOWN, scope.parameters(model_id=str(model)))
    if not found:
        statement = Statement(thread_parts(), scope.parameters())
        statement.where(f"model = {statement.bind(model.int, 'UInt128')}")
        found = await reader.rows(statement, "SELECT thread_id FROM folded", "LIMIT 1")
    return found[0]["thread_id"] if found else None


async def _runs(reading: _Reading, ids: Sequence[str], *, exclude: Sequence[str]) -> AsyncIterator[list[Thread]]:
    sizes = [len(thread_id.encode()) for thread_id in ids]
    for run in chunks(ids, sizes, bytes_max=PARAMETER_BYTES_MAX, items_max=STREAM_CHUNK_THREADS):
        found = await _threads(reading, run)
        yield [shapes.without(row, exclude) for row in found]


async def _threads(reading: _Reading, ids: Sequence[str]) -> list[Thread]:
    """Return the threads `ids`, in that order; one that is gone by now is left out."""
    reader, scope = reading.reader, reading.scope
    models = {thread_id: thread_model_id(scope.project_id, thread_id) for thread_id in ids}
    deleted = reading.maybe_deleted and await any_deleted(reader, scope, ids)
    parts = thread_parts(narrowed=True, with_deletions=deleted) | review_parts(narrowed=True) | {"costs": COSTS}
    entities = [model.int for model in models.values()]
    statement = Statement(parts, scope.parameters(thread_ids=list(ids), entities=entities, lenient=reading.lenient))
    rows, costs, remarks = await asyncio.gather(
        reader.rows(statement, _DETAILS),
        reader.rows(statement, "SELECT * FROM costs"),
        comments_of(reader, scope.workspace, "thread", list(models.values())),
    )
    spent = {cost["thread_id"]: cost for cost in costs}
    found: dict[str, Thread] = {}
    for row in rows:
        thread_id = row["thread_id"]
        model = models[thread_id]
        comments = [remark.comment for remark in remarks.get(model, []) if remark.updated_us > row["deleted_at_us"]]
        scores = scores_by_name(row["counted"])
        found[thread_id] = shapes.thread(row, scope.project_id, model, scores, comments, spent.get(thread_id))
    await put_messages(reader, scope.workspace, rows, found, truncate=reading.truncate)
    return [found[thread_id] for thread_id in ids if thread_id in found]
