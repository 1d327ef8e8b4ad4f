"""What is read of a thread before it is shown: what its traces tell, and what its sessions say.

Filters and orders take a thread's status from `parts.STATED`. Of what is shown the same is said here, of rows that were
read apart: joining them for 2000 threads cost as much CPU as reading them.
"""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from pipeline.query.deletions import any_deleted
from pipeline.query.parts import thread_parts
from pipeline.query.reader import PARAMETER_BYTES_MAX, Reader, chunks
from pipeline.query.statement import Scope, Statement

IDS_AT_ONCE_MAX: Final = 2000


class ThreadRow(msgspec.Struct, frozen=True, array_like=True):
    """A thread as its traces tell of it: members are columns of `parts.FOLDED`, in this order. Times are µs."""

    thread_id: str
    model: int
    first_trace: int
    first_id: UUID
    last_id: UUID
    first_events: int
    last_events: int
    first_bytes: int
    last_bytes: int
    start_us: int | None
    end_us: int | None
    messages: int
    created_us: int
    updated_us: int
    source: str | None
    environment: str | None
    usage: dict[str, int]
    cost: Decimal | None
    activity: int


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """What the sessions of a thread say of it: members are columns of `parts.SESSIONS`, in this order."""

    thread_id: str
    session: int
    closed_activity: int
    is_closed: bool
    changed_at_us: int
    deleted_at_us: int


class State(NamedTuple):
    """What follows from both, as in `parts.STATED`."""

    status: str
    reopened: int
    deleted_at_us: int
    last_updated_us: int


SELECT: Final = f"SELECT {', '.join(ThreadRow.__struct_fields__)} FROM "  # noqa: S608 - our own names
"""Up to the part, which has the columns of `parts.FOLDED`."""
DECODER: Final = msgspec.json.Decoder(ThreadRow)


_SELECT_STANDINGS: Final = """SELECT
    thread_id, session, closed_activity, CAST(is_closed, 'Bool'), changed_at_us, deleted_at_us
FROM sessions"""
_STANDINGS: Final = msgspec.json.Decoder(Standing)
_NO_SESSION: Final = Standing("", 0, 0, is_closed=False, changed_at_us=0, deleted_at_us=0)


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


async def standings_of(reader: Reader, scope: Scope, ids: Sequence[str]) -> dict[str, Standing]:
    """Return what sessions say of the threads `ids` now; those without any are not in it."""
    found: dict[str, Standing] = {}
    for run in _runs(ids):
        parts = thread_parts(narrowed=True, with_deletions=False)
        statement = Statement(parts, scope.parameters(thread_ids=list(run)))
        for standing in await reader.rows_as(_STANDINGS, statement, _SELECT_STANDINGS):
            found[standing.thread_id] = standing
    return found


def state_of(row: ThreadRow, standing: Standing | None) -> State:
    """Return the state of a thread. Activity after a close may be stored before the session that it opens."""
    standing = standing or _NO_SESSION
    is_reopening = standing.is_closed and row.activity > standing.closed_activity
    is_inactive = standing.is_closed and not is_reopening
    return State(
        status="inactive" if is_inactive else "active",
        reopened=row.activity if is_reopening else standing.session,
        deleted_at_us=standing.deleted_at_us,
        last_updated_us=max(row.updated_us, standing.changed_at_us),
    )


async def _run(reader: Reader, scope: Scope, ids: Sequence[str], with_deletions: bool | None) -> list[ThreadRow]:  # noqa: FBT001
    if with_deletions is not None:
        return await _rows(reader, scope, ids, with_deletions=with_deletions)
    rows, deleted = await asyncio.gather(
        _rows(reader, scope, ids, with_deletions=False), any_deleted(reader, scope, ids)
    )
    return await _rows(reader, scope, ids, with_deletions=True) if deleted else rows


async def _rows(reader: Reader, scope: Scope, ids: Sequence[str], *, with_deletions: bool) -> list[ThreadRow]:
    parts = thread_parts(narrowed=True, with_deletions=with_deletions)
    statement = Statement(parts, scope.parameters(thread_ids=list(ids)))
    return await reader.rows_as(DECODER, statement, SELECT + "folded")


def _runs(ids: Sequence[str]) -> list[Sequence[str]]:
    """Return `ids` in runs that a query takes as a parameter."""
    sizes = [len(thread_id.encode()) for thread_id in ids]
    return chunks(ids, sizes, bytes_max=PARAMETER_BYTES_MAX, items_max=IDS_AT_ONCE_MAX)
