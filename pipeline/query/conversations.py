"""Whole conversations, one after another: each thread, then all its traces in the order in which they began.

However many there are, and however long one is, memory holds a few thousand narrow rows and one run of payloads
(`payloads.CHUNK_BYTES_MAX`). What is read is what is stored when its turn comes: a thread that goes on meanwhile is
told as far as it has come.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from pipeline.query import traces
from pipeline.query.deletions import any_deleted
from pipeline.query.filters import Filter
from pipeline.query.parts import STORED_ORDER, STREAM_ORDER, in_order, trace_parts
from pipeline.query.payloads import runs_of
from pipeline.query.reader import Reader, chunks
from pipeline.query.rows import Thread, Trace
from pipeline.query.statement import Scope, Statement
from pipeline.query.telling import Reading, threads_of
from pipeline.query.thread_rows import first_traces_of, rows_of
from pipeline.query.threads import chosen, is_in_order, source_of

CHOSEN_THREADS_MAX: Final = 20_000
"""Threads chosen with one query; it may look at all of the project, so they should be many."""
THREADS_AT_ONCE_MAX: Final = 500
TURNS_AT_ONCE_MAX: Final = 2000

_BEGAN: Final = "ifNull(start_time_us, created_at_us)"
_PLACE: Final = f"indexOf({{thread_ids:Array(String)}}, thread_id) AS place, {_BEGAN} AS began_us"
_TURNS: Final = traces.FROM_LIVE.replace("FROM live", f", {_PLACE} FROM live")


class _Found(NamedTuple):
    """Some of the threads that match, and the place after which there may be more."""

    ids: Sequence[str]
    last: Mapping[str, Any] | None


async def count(reader: Reader, scope: Scope, wanted: Sequence[Filter], *, lenient: bool) -> int:
    """Return how many threads match."""
    deleted = await any_deleted(reader, scope)
    statement = chosen(scope, wanted, None, lenient=lenient, with_deletions=deleted)
    found = await reader.rows(statement, "SELECT count() AS total FROM " + source_of(statement))  # noqa: S608 - a part of ours
    return int(found[0]["total"])


async def conversations(
    reader: Reader, scope: Scope, wanted: Sequence[Filter], *, lenient: bool
) -> AsyncIterator[Thread | list[Trace]]:
    """Return the threads that match, newest first, each followed by its traces in lists; payloads are whole.

    The first threads are chosen before this returns, so that what is wrong is raised before the first byte of an
    answer.
    """
    first = await _chosen_after(reader, scope, wanted, None, lenient=lenient)
    return _told(Reading(reader=reader, scope=scope, truncate=False, lenient=lenient), wanted, first)


async def _told(reading: Reading, wanted: Sequence[Filter], found: _Found) -> AsyncIterator[Thread | list[Trace]]:
    while True:
        for begin in range(0, len(found.ids), THREADS_AT_ONCE_MAX):
            async for piece in _of_threads(reading, found.ids[begin : begin + THREADS_AT_ONCE_MAX]):
                yield piece
        if found.last is None:
            return
        found = await _chosen_after(reading.reader, reading.scope, wanted, found.last, lenient=reading.lenient)


async def _chosen_after(
    reader: Reader, scope: Scope, wanted: Sequence[Filter], last: Mapping[str, Any] | None, *, lenient: bool
) -> _Found:
    """Return the threads that match, newest first, from after `last` on."""
    deleted = await any_deleted(reader, scope)
    statement = chosen(scope, wanted, None, lenient=lenient, with_deletions=deleted)
    is_stored_so = is_in_order(statement, with_deletions=deleted)
    place, source = "", source_of(statement)
    if last is not None:
        place = f"({statement.bind(last['first_trace'], 'UInt128')}, {statement.bind(last['model'], 'UInt128')})"
        statement.where(f"(first_trace, model) < {place}")
    rows = await reader.rows(
        statement,
        "SELECT thread_id, first_trace, model FROM " + (in_order(place) if is_stored_so else source),  # noqa: S608 - our own
        f"{STORED_ORDER if is_stored_so else STREAM_ORDER} LIMIT {CHOSEN_THREADS_MAX}",
    )
    ids = [row["thread_id"] for row in rows]
    if is_stored_so:
        first_traces = await first_traces_of(reader, scope, ids)
        ids = [row["thread_id"] for row in rows if first_traces.get(row["thread_id"]) == row["first_trace"]]
    return _Found(ids, rows[-1] if len(rows) == CHOSEN_THREADS_MAX else None)


async def _of_threads(reading: Reading, ids: Sequence[str]) -> AsyncIterator[Thread | list[Trace]]:
    rows = await rows_of(reading.reader, reading.scope, ids)
    for run in runs_of(rows, [row.first_bytes + row.last_bytes for row in rows]):
        threads = await threads_of(reading, run)
        sizes = [thread.number_of_messages // 2 for thread in threads]
        for group in chunks(threads, sizes, bytes_max=TURNS_AT_ONCE_MAX, items_max=THREADS_AT_ONCE_MAX):
            async for piece in _with_turns(reading, group):
                yield piece


async def _with_turns(reading: Reading, threads: Sequence[Thread]) -> AsyncIterator[Thread | list[Trace]]:
    """Yield `threads`, each followed by its traces; one without any (it went meanwhile) stands alone."""
    waiting: Iterator[Thread] = iter(threads)
    current: Thread | None = None
    async for run in _turns(reading, [thread.id for thread in threads]):
        for thread_id, turns in groupby(run, key=lambda turn: turn.thread_id):
            while current is None or current.id != thread_id:
                current = next(waiting)
                yield current
            yield list(turns)
    for thread in waiting:
        yield thread


async def _turns(reading: Reading, ids: Sequence[str]) -> AsyncIterator[list[Trace]]:
    """Yield the traces of threads in runs: those of the first of `ids` first, of each in the order of their begin."""
    reader, scope = reading.reader, reading.scope
    deleted = await any_deleted(reader, scope, ids)
    last: Mapping[str, Any] | None = None
    while True:
        parameters = scope.parameters(thread_ids=list(ids))
        statement = Statement(trace_parts(narrowed=True, with_deletions=deleted), parameters)
        if last is not None:
            place, began = statement.bind(last["place"], "UInt64"), statement.bind(last["began_us"], "Int64")
            identity = statement.bind(last["id"].int, "UInt128")
            statement.where(f"(place, began_us, toUInt128(id)) > ({place}, {began}, {identity})")
        tail = f"ORDER BY place, began_us, toUInt128(id) LIMIT {TURNS_AT_ONCE_MAX}"
        rows = await reader.rows(statement, _TURNS, tail)
        async for run in traces.runs(reader, scope.workspace, rows, truncate=False):
            yield run
        if len(rows) < TURNS_AT_ONCE_MAX:
            return
        last = rows[-1]
