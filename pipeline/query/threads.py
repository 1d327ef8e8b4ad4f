"""Threads: one, as a stream, in pages; and whether there is one.

A stream is ordered by (first trace id, model id), newest first, and its cursor is resolved to that pair. A trace is in
one thread at a time, so first trace ids are distinct; the model id decides only for the moment in which a trace that
moves is seen in both.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pipeline.errors import Malformed, Unknown
from pipeline.query import filters, shapes, sorting
from pipeline.query.deletions import any_deleted
from pipeline.query.messages import messages_of
from pipeline.query.pages import Page, Search, TimeRange, range_of
from pipeline.query.parts import (
    FOLDED_COLUMNS,
    SCORE_COLUMNS,
    SESSION_COLUMNS,
    TAG_COLUMNS,
    picked_parts,
    review_parts,
    thread_parts,
)
from pipeline.query.payloads import CHUNK_ITEMS_MAX, runs_of
from pipeline.query.reader import PARAMETER_BYTES_MAX, Reader, chunks
from pipeline.query.reviews import reviews_of
from pipeline.query.rows import PageOf, Thread
from pipeline.query.statement import Scope, Statement
from pipeline.query.thread_fields import FIELDS, NEWEST_FIRST, SEARCHED, SORTS

_COLUMNS: Final = """SELECT
    thread_id, model, status, deleted_at_us, reopened, start_us, end_us, messages, created_us, last_updated_us, source,
    environment, usage, cost, first_trace, first_id, last_id, first_events, last_events, first_bytes, last_bytes
FROM """
_IN_ORDER: Final = "ORDER BY first_trace DESC, model DESC"
_MODEL_KNOWN: Final = """
SELECT thread_id FROM thread_ids
WHERE workspace = {workspace:String} AND thread_model_id = {model_id:UUID} AND project_id = {project_id:UUID} LIMIT 1"""


_NAMED: Final = """
SELECT project_id, thread_id FROM thread_ids
WHERE workspace = {workspace:String} AND thread_model_id = {model_id:UUID}
LIMIT 1"""
_COMPUTED: Final = """
SELECT project_id, thread_id FROM threads FINAL PREWHERE workspace = {workspace:String} WHERE model = {model:UInt128}
LIMIT 1"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How threads are read: `truncate` says whether long messages are cut, `lenient` which scores count."""

    reader: Reader
    scope: Scope
    truncate: bool
    lenient: bool


async def thread(reader: Reader, scope: Scope, thread_id: str, *, truncate: bool, lenient: bool) -> Thread:
    """Return one thread; raises Unknown where the project has none of that id."""
    reading = Reading(reader=reader, scope=scope, truncate=truncate, lenient=lenient)
    rows = await rows_of(reading, [thread_id])
    if not rows:
        raise Unknown(f"Thread not found: {thread_id[:200]}")
    return (await threads_of(reading, rows))[0]


async def thread_exists(reader: Reader, scope: Scope, thread_id: str) -> bool:
    """Tell whether the project has a trace with that thread id."""
    return bool(await _narrowed(reader, scope, [thread_id], "SELECT thread_id, deleted_at_us FROM stated"))


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
    reading = Reading(reader=reader, scope=scope, truncate=bool(wanted.truncate), lenient=lenient)
    # Only of what is picked sessions are read, and messages after it.
    source, tail = source_of(statement), f"{_IN_ORDER} LIMIT {limit}"
    if deleted:
        found = await reader.rows(statement, "SELECT thread_id FROM " + source, tail)  # noqa: S608 - a part of ours
        rows = await rows_of(reading, [row["thread_id"] for row in found])
    else:
        statement.choose("picked", source, columns=", ".join(FOLDED_COLUMNS), tail=tail).add(picked_parts())
        rows = await reader.rows(statement, _COLUMNS + "picked_stated", _IN_ORDER)
    return _runs(reading, rows, exclude=wanted.exclude or [])


async def page(reader: Reader, scope: Scope, wanted: Page, *, lenient: bool) -> PageOf:
    """Return one page; without `sorting` the threads that changed last come first."""
    deleted = await any_deleted(reader, scope)
    statement = chosen(scope, wanted.filters, wanted.between, lenient=lenient, with_deletions=deleted)
    order = sorting.order_by(wanted.sorts, SORTS, NEWEST_FIRST, statement)
    if wanted.search:
        statement.where(filters.contains(wanted.search, SEARCHED, statement))
    size, offset = statement.bind(wanted.size, "UInt32"), statement.bind(wanted.offset, "UInt32")
    select = "SELECT thread_id, count() OVER () AS total FROM " + source_of(statement, order)  # noqa: S608 - a part of ours
    rows = await reader.rows(statement, select, f"{order} LIMIT {size} OFFSET {offset}")
    total = rows[0]["total"] if rows else await _count(reader, statement, wanted)
    content: list[Thread] = []
    reading = Reading(reader=reader, scope=scope, truncate=wanted.truncate, lenient=lenient)
    async for run in _runs(reading, await rows_of(reading, [row["thread_id"] for row in rows]), exclude=wanted.exclude):
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
        found = await _narrowed(
            reader, scope, [thread_id], "SELECT thread_id, first_trace, model, deleted_at_us FROM stated"
        )
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


async def _runs(
    reading: Reading, rows: Sequence[Mapping[str, Any]], *, exclude: Sequence[str]
) -> AsyncIterator[list[Thread]]:
    """Yield the threads of `rows` in runs whose messages may be held at once."""
    for run in runs_of(rows, [row["first_bytes"] + row["last_bytes"] for row in rows]):
        yield [shapes.without(row, exclude) for row in await threads_of(reading, run)]


async def rows_of(reading: Reading, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of the threads `ids`, in that order; one that is gone by now is left out."""
    found: dict[str, dict[str, Any]] = {}
    sizes = [len(thread_id.encode()) for thread_id in ids]
    for run in chunks(ids, sizes, bytes_max=PARAMETER_BYTES_MAX, items_max=CHUNK_ITEMS_MAX):
        for row in await _narrowed(reading.reader, reading.scope, run, _COLUMNS + "stated"):
            found[row["thread_id"]] = row
    return [found[thread_id] for thread_id in ids if thread_id in found]


async def threads_of(reading: Reading, rows: Sequence[Mapping[str, Any]]) -> list[Thread]:
    """Return the threads of `rows`, with what was said of them and their messages."""
    reviews, messages = await asyncio.gather(
        reviews_of(reading.reader, reading.scope.workspace, rows, lenient=reading.lenient),
        messages_of(reading.reader, reading.scope, rows, truncate=reading.truncate),
    )
    return [
        shapes.thread(row, reading.scope.project_id, review, said)
        for row, review, said in zip(rows, reviews, messages, strict=True)
    ]


async def _narrowed(reader: Reader, scope: Scope, ids: Sequence[str], select: str) -> list[dict[str, Any]]:
    """Return the rows of those threads; `select` is from `stated`, with `thread_id` and `deleted_at_us`.

    That a thread was deleted the row itself says; only then it is folded anew, from the traces that survived.
    """
    statement = Statement(thread_parts(narrowed=True, with_deletions=False), scope.parameters(thread_ids=list(ids)))
    rows = await reader.rows(statement, select)
    deleted = [row["thread_id"] for row in rows if row["deleted_at_us"]]
    if not deleted:
        return rows
    statement = Statement(thread_parts(narrowed=True), scope.parameters(thread_ids=deleted))
    return [row for row in rows if not row["deleted_at_us"]] + await reader.rows(statement, select)
