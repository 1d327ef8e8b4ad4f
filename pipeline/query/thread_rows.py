"""What is read of a thread before it is shown: what its traces tell, and what its sessions say."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from pipeline.query.deletions import any_deleted
from pipeline.query.parts import BETWEEN, BY_THREADS, thread_parts
from pipeline.query.reader import ONE_CORE, PARAMETER_BYTES_MAX, Reader, chunks
from pipeline.query.statement import Scope, Statement

IDS_AT_ONCE_MAX: Final = 2000


class ThreadRow(msgspec.Struct, array_like=True):
    """A thread as its traces and its sessions tell of it: members are columns of `parts.STATED`. Times are µs.

    Those that have a default are what the sessions tell: a `Standing` may bring them later.
    """

    thread_id: str
    model: int
    first_trace: int
    first_id: str
    last_id: str
    first_events: int
    last_events: int
    first_bytes: int
    last_bytes: int
    start_us: int | None
    end_us: int | None
    messages: int
    created_us: int
    source: str | None
    environment: str | None
    usage: dict[str, int]
    cost: Decimal | None
    status: str = "active"
    reopened: int = 0
    deleted_at_us: int = 0
    last_updated_us: int = 0


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """Where a thread stands among the others, and what its sessions tell: members are columns of `parts.STATED`."""

    thread_id: str
    first_trace: int
    status: str
    reopened: int
    deleted_at_us: int
    last_updated_us: int


_FOLDED: Final = [one.name for one in msgspec.structs.fields(ThreadRow) if one.required]
SELECT: Final = f"SELECT {', '.join(ThreadRow.__struct_fields__)} FROM "  # noqa: S608 - our own names
"""Up to the part, which has the columns of `parts.STATED`."""
SELECT_FOLDED: Final = f"SELECT {', '.join(_FOLDED)} FROM "  # noqa: S608 - our own names
"""The same without what the sessions tell, which only needs the columns of `parts.FOLDED`."""
DECODER: Final = msgspec.json.Decoder(ThreadRow)

_STANDING: Final = f"SELECT {', '.join(Standing.__struct_fields__)} FROM stated"  # noqa: S608 - our own names
_PLACED: Final = "SELECT thread_id, first_trace FROM folded"
_PLACED_DECODER: Final = msgspec.json.Decoder(tuple[str, int])
_STANDING_DECODER: Final = msgspec.json.Decoder(Standing)


async def rows_of(
    reader: Reader, scope: Scope, ids: Sequence[str], *, with_deletions: bool | None = None
) -> list[ThreadRow]:
    """Return the rows of the threads `ids`, in that order; one that is gone by now is left out.

    Where any of them was ever deleted, those are folded anew from the traces that survived: `with_deletions` tells it,
    None where that is not known yet.
    """
    found: dict[str, ThreadRow] = {}
    for run in _runs(ids):
        found.update((row.thread_id, row) for row in await _run(reader, scope, run, with_deletions))
    return [found[thread_id] for thread_id in ids if thread_id in found]


async def standings_of(
    reader: Reader, scope: Scope, rows: Sequence[ThreadRow], *, between: bool
) -> dict[str, Standing]:
    """Return where the threads of `rows` stand, of a project in which nothing was deleted; without those that are gone.

    `between` says that they are all that stand between the first and the last of them in the order of streams.
    """
    if between:
        parts = thread_parts(narrow=BETWEEN, with_deletions=False)
        newest, oldest = rows[0].first_trace, rows[-1].first_trace
        asked = [Statement(parts, scope.parameters(newest=newest, oldest=oldest))]
    else:
        asked = [_of(scope, run, with_deletions=False) for run in _runs([row.thread_id for row in rows])]
    found: dict[str, Standing] = {}
    for statement in asked:
        found |= await _standings(reader, statement)
    return found


async def standings_among(
    reader: Reader, scope: Scope, among: Mapping[str, str], parameters: Mapping[str, object]
) -> dict[str, Standing]:
    """Return where the threads stand whose ids the part `among` selects (the last of `among`), by thread id.

    As `standings_of`, but for threads that are only being chosen.
    """
    narrow = f"AND thread_id IN (SELECT thread_id FROM {list(among)[-1]})"  # noqa: S608 - a part of ours
    parts = {**among, **thread_parts(narrow=narrow, with_deletions=False)}
    return await _standings(reader, Statement(parts, scope.parameters(**parameters)))


async def first_traces_of(reader: Reader, scope: Scope, ids: Sequence[str]) -> dict[str, int]:
    """Return the first traces of threads of a project in which nothing was deleted; without those that are gone."""
    found: dict[str, int] = {}
    for run in _runs(ids):
        statement = _of(scope, run, with_deletions=False)
        found.update(await reader.rows_as(_PLACED_DECODER, statement, _PLACED, settings=ONE_CORE))
    return found


async def _standings(reader: Reader, statement: Statement) -> dict[str, Standing]:
    told = await reader.rows_as(_STANDING_DECODER, statement, _STANDING, settings=ONE_CORE)
    return {one.thread_id: one for one in told}


async def _run(reader: Reader, scope: Scope, ids: Sequence[str], with_deletions: bool | None) -> list[ThreadRow]:  # noqa: FBT001
    if with_deletions is not None:
        return await _rows(reader, scope, ids, with_deletions=with_deletions)
    rows, deleted = await asyncio.gather(
        _rows(reader, scope, ids, with_deletions=False), any_deleted(reader, scope, ids)
    )
    return await _rows(reader, scope, ids, with_deletions=True) if deleted else rows


async def _rows(reader: Reader, scope: Scope, ids: Sequence[str], *, with_deletions: bool) -> list[ThreadRow]:
    statement = _of(scope, ids, with_deletions=with_deletions)
    return await reader.rows_as(DECODER, statement, SELECT + "stated", settings=ONE_CORE)


def _of(scope: Scope, ids: Sequence[str], *, with_deletions: bool) -> Statement:
    parts = thread_parts(narrow=BY_THREADS, with_deletions=with_deletions)
    return Statement(parts, scope.parameters(thread_ids=list(ids)))


def _runs(ids: Sequence[str]) -> list[Sequence[str]]:
    """Return `ids` in runs that a query takes as a parameter."""
    sizes = [len(thread_id.encode()) for thread_id in ids]
    return chunks(ids, sizes, bytes_max=PARAMETER_BYTES_MAX, items_max=IDS_AT_ONCE_MAX)
