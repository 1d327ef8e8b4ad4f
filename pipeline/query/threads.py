"""Threads: one, as a stream, in pages; and whether there is one.

A stream is ordered by (first trace id, model id), newest first, and its cursor is resolved to that pair. A trace is in
one thread at a time, so first trace ids are distinct; the model id decides only for the moment in which a trace that
moves is seen in both.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from pipeline.errors import Malformed, Unknown
from pipeline.query import filters, shapes, sorting
from pipeline.query.deletions import any_deleted
from pipeline.query.messages import Messages, Previews, messages_of, previews_of
from pipeline.query.pages import Page, Search, TimeRange, range_of
from pipeline.query.parts import (
    BY_THREADS,
    FLAT,
    FLAT_COLUMNS,
    FLAT_NAMES,
    PICKED,
    PREVIEW_COLUMNS,
    SCORE_COLUMNS,
    SESSION_COLUMNS,
    TAG_COLUMNS,
    review_parts,
    thread_parts,
)
from pipeline.query.payloads import runs_of
from pipeline.query.reader import Reader
from pipeline.query.reviews import Said, review, said_of
from pipeline.query.rows import PageOf, Thread
from pipeline.query.statement import Scope, Statement
from pipeline.query.thread_fields import FIELDS, NEWEST_FIRST, SEARCHED, SORTS
from pipeline.query.thread_rows import DECODER, SELECT, ThreadRow, rows_of

SLICE_THREADS_MAX: Final = 100

_IN_ORDER: Final = "ORDER BY first_trace DESC, model DESC"
_ANNOUNCED: Final = """AND thread_id IN (
    SELECT thread_id FROM thread_ids
    WHERE workspace = {workspace:String} AND thread_model_id = {model_id:UUID} AND project_id = {project_id:UUID}
)"""
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


class _Chosen(msgspec.Struct, frozen=True, array_like=True):
    """A thread of a page, and of how many it is one: enough to begin reading all that is shown of it."""

    thread_id: str
    first_trace: int
    model: int
    total: int


class _Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a thread stands in a stream."""

    first_trace: int
    model: int


_POSITION: Final = msgspec.json.Decoder(_Position)
_CHOSEN: Final = msgspec.json.Decoder(_Chosen)


class _Around(NamedTuple):
    """What is said of threads elsewhere than in their rows."""

    said: Mapping[int, Sequence[Said]]
    previews: Previews


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


async def search(reader: Reader, scope: Scope, wanted: Search, *, lenient: bool) -> AsyncIterator[list[Thread]]:
    """Return the threads that match, newest first, after the cursor; in runs of bounded size.

    The threads are chosen before this returns, so that what is wrong is raised before the first byte of an answer.
    """
    between = range_of(wanted.from_time, wanted.to_time)
    cursor = wanted.last_retrieved_thread_model_id
    deleted, position = await asyncio.gather(any_deleted(reader, scope), _position(reader, scope, cursor))
    if deleted and cursor:
        position = await _position(reader, scope, cursor, with_deletions=True)
    statement = chosen(scope, wanted.filters or [], between, lenient=lenient, with_deletions=deleted)
    if cursor:
        if position is None:
            raise Malformed(
                f"last_retrieved_thread_model_id names no thread of the project: {cursor[:100]}",
                field="last_retrieved_thread_model_id",
            )
        after = f"({statement.bind(position.first_trace, 'UInt128')}, {statement.bind(position.model, 'UInt128')})"
        statement.where(f"(first_trace, model) < {after}")
    limit = statement.bind(wanted.limit_or_default, "UInt32")
    _pick(statement, f"{_IN_ORDER} LIMIT {limit}", with_deletions=deleted)
    rows = await reader.rows_as(DECODER, statement, SELECT + "told", _IN_ORDER)
    reading = Reading(reader=reader, scope=scope, truncate=bool(wanted.truncate), lenient=lenient)
    return _runs(reading, rows, exclude=wanted.exclude or [])


async def page(reader: Reader, scope: Scope, wanted: Page, *, lenient: bool) -> PageOf:
    """Return one page; without `sorting` the threads that changed last come first."""
    deleted = await any_deleted(reader, scope)
    statement = chosen(scope, wanted.filters, wanted.between, lenient=lenient, with_deletions=deleted)
    order = sorting.order_by(wanted.sorts, SORTS, NEWEST_FIRST, statement)
    if wanted.search:
        statement.where(filters.contains(wanted.search, SEARCHED, statement))
    size, offset = statement.bind(wanted.size, "UInt32"), statement.bind(wanted.offset, "UInt32")
    select = "SELECT thread_id, first_trace, model, count() OVER () FROM " + source_of(statement, order)  # noqa: S608
    found = await reader.rows_as(_CHOSEN, statement, select, f"{order} LIMIT {size} OFFSET {offset}")
    total = found[0].total if found else await _count(reader, statement, wanted)
    reading = Reading(reader=reader, scope=scope, truncate=wanted.truncate, lenient=lenient)
    rows, around = await asyncio.gather(
        rows_of(reader, scope, [one.thread_id for one in found], with_deletions=deleted), _around(reading, found)
    )
    content = [shapes.without(one, wanted.exclude) for one in await _all_told(reading, rows, around)]
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


def _pick(statement: Statement, tail: str, *, with_deletions: bool) -> None:
    """Make `told` the threads that match, in the order and number that `tail` says."""
    source = source_of(statement)
    if source == "folded" and not with_deletions and not statement.mentions(PREVIEW_COLUMNS):
        statement.choose("picked", FLAT, columns=FLAT_COLUMNS, tail=tail)
    else:
        statement.choose("picked", source, columns=FLAT_NAMES, tail=tail)
    statement.add({"told": PICKED})


async def _count(reader: Reader, statement: Statement, wanted: Page) -> int:
    """Return how many rows there are, when the page has none to say it: the first page then has none either."""
    if wanted.number == 1:
        return 0
    found = await reader.rows(statement, "SELECT count() AS total FROM " + source_of(statement))  # noqa: S608 - a part of ours
    return int(found[0]["total"])


async def _position(
    reader: Reader, scope: Scope, cursor: str | None, *, with_deletions: bool = False
) -> _Position | None:
    """Return where the thread of a cursor stands: a model id, or a thread id, which is what the Python SDK sends.

    A model id names a thread as the stream announced it, else as it is computed of the project's threads. None where
    the project has no such thread (any more): to begin anew would repeat what was sent.
    """
    if not cursor:
        return None
    try:
        model = UUID(cursor)
    except ValueError:
        asked = [_of_threads(scope, with_deletions=with_deletions, thread_ids=[cursor])]
    else:
        computed = Statement(thread_parts(with_deletions=with_deletions), scope.parameters())
        asked = [
            _of_threads(scope, with_deletions=with_deletions, narrow=_ANNOUNCED, model_id=str(model)),
            computed.where(f"model = {computed.bind(model.int, 'UInt128')}"),
            _of_threads(scope, with_deletions=with_deletions, thread_ids=[cursor]),
        ]
    for statement in asked:
        found = await reader.rows_as(_POSITION, statement, "SELECT first_trace, model FROM folded", "LIMIT 1")
        if found:
            return found[0]
    return None


def _of_threads(scope: Scope, *, with_deletions: bool, narrow: str = BY_THREADS, **parameters: object) -> Statement:
    return Statement(thread_parts(narrow=narrow, with_deletions=with_deletions), scope.parameters(**parameters))


async def _runs(reading: Reading, rows: Sequence[ThreadRow], *, exclude: Sequence[str]) -> AsyncIterator[list[Thread]]:
    """Yield the threads of `rows`, slice by slice, read in runs whose messages may be held at once."""
    for run in runs_of(rows, [row.first_bytes + row.last_bytes for row in rows]):
        around, begun = await asyncio.gather(_around(reading, run), _begun(reading, run))
        messages = await messages_of(reading.reader, reading.scope, run, around.previews, truncate=reading.truncate)
        for piece in _slices(run):
            told = _told(reading, run[piece], begun[piece], around, messages[piece])
            yield [shapes.without(row, exclude) for row in told]
            await asyncio.sleep(0)


async def _begun(reading: Reading, rows: Sequence[ThreadRow]) -> list[Thread]:
    """Return threads as far as their rows tell of them; there is time for it while the rest is read."""
    begun: list[Thread] = []
    for piece in _slices(rows):
        await asyncio.sleep(0)
        begun += [shapes.thread(row, reading.scope.project_id) for row in rows[piece]]
    return begun


def _slices(rows: Sequence[ThreadRow]) -> list[slice]:
    """Return the slices of `rows` between which others have a turn."""
    return [slice(begin, begin + SLICE_THREADS_MAX) for begin in range(0, len(rows), SLICE_THREADS_MAX)]


async def threads_of(reading: Reading, rows: Sequence[ThreadRow]) -> list[Thread]:
    """Return the threads of `rows`, with their states, what was said of them and their messages."""
    return await _all_told(reading, rows, await _around(reading, rows))


async def _around(reading: Reading, threads: Sequence[ThreadRow | _Chosen]) -> _Around:
    reader, scope = reading.reader, reading.scope
    return _Around(
        *await asyncio.gather(
            said_of(reader, scope.workspace, [one.model for one in threads]),
            previews_of(reader, scope, [one.first_trace for one in threads]),
        )
    )


async def _all_told(reading: Reading, rows: Sequence[ThreadRow], around: _Around) -> list[Thread]:
    messages = await messages_of(reading.reader, reading.scope, rows, around.previews, truncate=reading.truncate)
    return _told(reading, rows, await _begun(reading, rows), around, messages)


def _told(
    reading: Reading,
    rows: Sequence[ThreadRow],
    begun: Sequence[Thread],
    around: _Around,
    messages: Sequence[Messages],
) -> list[Thread]:
    return [
        shapes.complete(one, review(around.said.get(row.model, ()), row, lenient=reading.lenient), ends)
        for row, one, ends in zip(rows, begun, messages, strict=True)
    ]
