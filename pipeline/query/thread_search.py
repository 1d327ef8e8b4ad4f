"""Threads as a stream: newest first, from after a cursor on.

A stream is ordered by (first trace id, model id), newest first, and its cursor is resolved to that pair. A trace is in
one thread at a time, so first trace ids are distinct; the model id decides only for the moment in which a trace that
moves is seen in both.

Threads are stored in that order, too. What follows a cursor is read there where the threads' own columns decide what
matches, however many threads the project has; whether they stand there still is asked meanwhile. For all else, and
where threads were deleted, every thread of the project is looked at.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from pipeline.errors import Malformed
from pipeline.query import shapes
from pipeline.query.beside import beside
from pipeline.query.deletions import any_deleted
from pipeline.query.messages import messages_of
from pipeline.query.pages import Search, range_of
from pipeline.query.parts import PICKED, PICKED_COLUMNS, PLACE, STORED_ORDER, STREAM_ORDER, in_order, thread_parts
from pipeline.query.payloads import runs_of
from pipeline.query.reader import ONE_CORE, Reader
from pipeline.query.rows import Thread
from pipeline.query.statement import Scope, Statement
from pipeline.query.telling import Around, Reading, around_of, begun_of, slices, told
from pipeline.query.thread_rows import (
    DECODER,
    SELECT,
    SELECT_FOLDED,
    Standing,
    ThreadRow,
    standings_among,
    standings_of,
)
from pipeline.query.threads import chosen, is_in_order, source_of

_IN_ORDER_SETTINGS: Final[Mapping[str, int]] = {**ONE_CORE, "max_block_size": 1024}
"""Little more is read than is wanted: 17 ms of CPU for 2,000 threads instead of 23."""
_OF_ID: Final = "AND thread_id = {cursor:String}"
_ANNOUNCED: Final = """AND thread_id IN (
    SELECT thread_id FROM thread_ids
    WHERE workspace = {workspace:String} AND thread_model_id = {cursor:UUID} AND project_id = {project_id:UUID}
)"""
_PLACED: Final = "(SELECT (first_trace, model) FROM place)"
_NEXT: Final = "SELECT thread_id FROM {} WHERE {} {} LIMIT {{limit:UInt32}}"
_FIRST: Final = _NEXT.format(in_order(), "1", STORED_ORDER)
_NEXT_PLACED: Final = _NEXT.format(in_order(_PLACED), f"(first_trace, model) < {_PLACED}", STORED_ORDER)


class _Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a thread stands in a stream."""

    first_trace: int
    model: int


_POSITION: Final = msgspec.json.Decoder(_Position)


async def search(reader: Reader, scope: Scope, wanted: Search, *, lenient: bool) -> AsyncIterator[list[Thread]]:
    """Return the threads that match, newest first, after the cursor; in runs of bounded size.

    The threads are chosen before this returns, so that what is wrong is raised before the first byte of an answer.
    """
    cursor, limit = wanted.last_retrieved_thread_model_id, wanted.limit_or_default
    reading = Reading(reader=reader, scope=scope, truncate=bool(wanted.truncate), lenient=lenient)
    look = _Look(reading, wanted, with_deletions=False)
    # As if nothing was ever deleted, and the cursor was announced: mostly so, and both are known as soon as the rows.
    async with beside(look.begin_after_cursor(cursor, limit)) as beginning:
        deleted = await any_deleted(reader, scope)
        begun = None if deleted else await beginning
    if begun is None or (cursor and not begun.rows):
        position = await _position(reader, scope, cursor, with_deletions=deleted)
        if cursor and position is None:
            raise Malformed(
                f"last_retrieved_thread_model_id names no thread of the project: {cursor[:100]}",
                field="last_retrieved_thread_model_id",
            )
        look = _Look(reading, wanted, with_deletions=deleted)
        begun = await look.begin_after(position, limit)
    return look.runs(begun, limit)


class _Run(NamedTuple):
    """Threads whose messages may be held at once, as far as they are told without them."""

    rows: Sequence[ThreadRow]
    begun: Sequence[Thread]
    around: Around


class _Begun(NamedTuple):
    """The threads that were chosen first, and the first run of them."""

    rows: Sequence[ThreadRow]
    first: _Run | None


class _Look:
    """One search: chooses threads, and tells of them."""

    def __init__(self, reading: Reading, wanted: Search, *, with_deletions: bool) -> None:
        self._reading: Final = reading
        self._wanted: Final = wanted
        self._between: Final = range_of(wanted.from_time, wanted.to_time)
        self._with_deletions: Final = with_deletions
        matching = self._matching()
        self._source: Final = source_of(matching)
        self._is_in_order: Final = is_in_order(matching, with_deletions=with_deletions)
        # Then rows are all that there are between the first and the last of them, which is said sooner than their ids.
        self._is_gapless: Final = self._is_in_order and not matching.has_conditions

    async def begin_after_cursor(self, cursor: str | None, limit: int) -> _Begun:
        """Begin with the threads after that of a cursor: with none where its place is not simply found."""
        if not self._is_gapless:
            return await self._begin(await self._after_cursor(cursor, limit))
        # Both look for the place and the threads after it: that costs less than one waiting for what the other found.
        async with beside(self._standings_after_cursor(cursor, limit)) as standings:
            return await self._begin(await self._after_cursor(cursor, limit), standings)

    async def begin_after(self, last: _Position | None, limit: int) -> _Begun:
        """Begin with the threads after a place, or with the first ones."""
        return await self._begin(await self._after(last, limit))

    async def runs(self, begun: _Begun, asked: int) -> AsyncIterator[list[Thread]]:
        """Yield the threads, in runs whose messages may be held at once, until there are `asked` of them."""
        rows, first = begun
        missing = asked
        while rows:
            for chosen_rows in _runs_of(rows):
                run, first = first or await self._run(chosen_rows, self._standings(chosen_rows)), None
                async for piece in self._told(run):
                    missing -= len(piece)
                    yield piece
            if len(rows) < asked or not missing:
                return
            asked = missing
            rows = await self._after(rows[-1], asked)

    async def _after_cursor(self, cursor: str | None, limit: int) -> list[ThreadRow]:
        statement = self._matching()
        if cursor:
            part, value = _place_of(cursor)
            statement.add({"place": part})
            statement.give("cursor", value)
        return await self._chosen(statement, _PLACED if cursor else "", limit)

    async def _after(self, last: _Position | ThreadRow | None, limit: int) -> list[ThreadRow]:
        """Return the next threads that match; of those in stored order some may stand elsewhere by now."""
        statement, place = self._matching(), ""
        if last is not None:
            place = f"({statement.bind(last.first_trace, 'UInt128')}, {statement.bind(last.model, 'UInt128')})"
        return await self._chosen(statement, place, limit)

    async def _chosen(self, statement: Statement, place: str, limit: int) -> list[ThreadRow]:
        """Return the threads of `statement` after the place, whose SQL is a tuple of first trace and model."""
        reader, at_most = self._reading.reader, f"LIMIT {statement.bind(limit, 'UInt32')}"
        if place:
            statement.where(f"(first_trace, model) < {place}")
        if self._is_in_order:
            select, tail = SELECT_FOLDED + in_order(place), f"{STORED_ORDER} {at_most}"
            return await reader.rows_as(DECODER, statement, select, tail, settings=_IN_ORDER_SETTINGS)
        statement.choose("picked", self._source, columns=PICKED_COLUMNS, tail=f"{STREAM_ORDER} {at_most}")
        statement.add({"told": PICKED})
        return await reader.rows_as(DECODER, statement, SELECT + "told", STREAM_ORDER)

    async def _begin(
        self, rows: Sequence[ThreadRow], standings: Awaitable[Mapping[str, Standing]] | None = None
    ) -> _Begun:
        for run in _runs_of(rows):
            return _Begun(rows, await self._run(run, standings or self._standings(run)))
        return _Begun(rows, None)

    async def _run(self, rows: Sequence[ThreadRow], standing: Awaitable[Mapping[str, Standing] | None]) -> _Run:
        """Read what is said of threads elsewhere than in their rows; leave out those that stand elsewhere by now."""
        reading = self._reading
        around, begun, standings = await asyncio.gather(
            around_of(reading, rows, between=self._is_gapless), begun_of(reading, rows), standing
        )
        if standings is None:
            return _Run(rows, begun, around)
        if unknown := [row for row in rows if row.thread_id not in standings]:  # stored since they were looked for
            standings = {**standings, **await standings_of(reading.reader, reading.scope, unknown, between=False)}
        return _Run(*_standing(rows, begun, standings), around)

    async def _told(self, run: _Run) -> AsyncIterator[list[Thread]]:
        """Yield the threads of a run with their messages, slice by slice."""
        reading, exclude = self._reading, self._wanted.exclude or []
        rows, begun, around = run
        messages = await messages_of(reading.reader, reading.scope, rows, around.previews, truncate=reading.truncate)
        for piece in slices(rows):
            yield [
                shapes.without(one, exclude)
                for one in told(reading, rows[piece], begun[piece], around, messages[piece])
            ]
            await asyncio.sleep(0)

    async def _standings(self, rows: Sequence[ThreadRow]) -> Mapping[str, Standing] | None:
        """Return where the threads of `rows` stand; None where the rows are of now."""
        if not self._is_in_order:
            return None
        return await standings_of(self._reading.reader, self._reading.scope, rows, between=self._is_gapless)

    async def _standings_after_cursor(self, cursor: str | None, limit: int) -> Mapping[str, Standing]:
        """Return where the threads stand that `_after_cursor` would return at this moment."""
        among: dict[str, str] = {}
        parameters: dict[str, object] = {"limit": limit}
        if cursor:
            among["place"], parameters["cursor"] = _place_of(cursor)
        among["next"] = _NEXT_PLACED if cursor else _FIRST
        return await standings_among(self._reading.reader, self._reading.scope, among, parameters)

    def _matching(self) -> Statement:
        wanted, reading = self._wanted, self._reading
        return chosen(
            reading.scope, wanted.filters or [], self._between,
            lenient=reading.lenient, with_deletions=self._with_deletions,
        )  # fmt: skip


def _standing(
    rows: Sequence[ThreadRow], begun: Sequence[Thread], standings: Mapping[str, Standing]
) -> tuple[list[ThreadRow], list[Thread]]:
    """Return those of `rows`, and of the threads begun of them, that stand where they were found; completed."""
    kept_rows: list[ThreadRow] = []
    kept: list[Thread] = []
    for row, one in zip(rows, begun, strict=True):
        standing = standings.get(row.thread_id)
        if standing is not None and standing.first_trace == row.first_trace:
            shapes.stand(one, row, standing)
            kept_rows.append(row)
            kept.append(one)
    return kept_rows, kept


def _runs_of(rows: Sequence[ThreadRow]) -> list[Sequence[ThreadRow]]:
    """Return `rows` in runs whose messages may be held at once."""
    return runs_of(rows, [row.first_bytes + row.last_bytes for row in rows])


def _place_of(cursor: str) -> tuple[str, str]:
    """Return the part that has the place of a cursor, as far as that is simply found, and its parameter `cursor`."""
    model = _uuid(cursor)
    return (PLACE + _OF_ID, cursor) if model is None else (PLACE + _ANNOUNCED, str(model))


async def _position(
    reader: Reader, scope: Scope, cursor: str | None, *, with_deletions: bool = False
) -> _Position | None:
    """Return where the thread of a cursor stands: a model id, or a thread id, which is what the Python SDK sends.

    A model id names a thread as the stream announced it, else as it is computed of the project's threads. None where
    the project has no such thread (any more): to begin anew would repeat what was sent.
    """
    if not cursor:
        return None
    of_id = _of_threads(scope, with_deletions=with_deletions, narrow=_OF_ID, cursor=cursor)
    if (model := _uuid(cursor)) is None:
        asked = [of_id]
    else:
        computed = Statement(thread_parts(with_deletions=with_deletions), scope.parameters())
        asked = [
            _of_threads(scope, with_deletions=with_deletions, narrow=_ANNOUNCED, cursor=str(model)),
            computed.where(f"model = {computed.bind(model.int, 'UInt128')}"),
            of_id,
        ]
    for statement in asked:
        found = await reader.rows_as(_POSITION, statement, "SELECT first_trace, model FROM folded", "LIMIT 1")
        if found:
            return found[0]
    return None


def _of_threads(scope: Scope, *, with_deletions: bool, narrow: str, cursor: str) -> Statement:
    return Statement(thread_parts(narrow=narrow, with_deletions=with_deletions), scope.parameters(cursor=cursor))


def _uuid(cursor: str) -> UUID | None:
    try:
        return UUID(cursor)
    except ValueError:
        return None
