"""What is read of a thread before it is shown: what its traces tell, and what its sessions say."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from pipeline.query.deletions import any_deleted
from pipeline.query.parts import BY_THREADS, thread_parts
from pipeline.query.reader import ONE_CORE, PARAMETER_BYTES_MAX, Reader, chunks
from pipeline.query.statement import Scope, Statement

IDS_AT_ONCE_MAX: Final = 2000


class ThreadRow(msgspec.Struct, frozen=True, array_like=True):
    """A thread as its traces and its sessions tell of it: members are columns of `parts.STATED`. Times are µs."""

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
    source: str | None
    environment: str | None
    usage: dict[str, int]
    cost: Decimal | None
    status: str
    reopened: int
    deleted_at_us: int
    last_updated_us: int


SELECT: Final = f"SELECT {', '.join(ThreadRow.__struct_fields__)} FROM "  # noqa: S608 - our own names
"""Up to the part, which has the columns of `parts.STATED`."""
DECODER: Final = msgspec.json.Decoder(ThreadRow)


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


async def _run(reader: Reader, scope: Scope, ids: Sequence[str], with_deletions: bool | None) -> list[ThreadRow]:  # noqa: FBT001
    if with_deletions is not None:
        return await _rows(reader, scope, ids, with_deletions=with_deletions)
    rows, deleted = await asyncio.gather(
        _rows(reader, scope, ids, with_deletions=False), any_deleted(reader, scope, ids)
    )
    return await _rows(reader, scope, ids, with_deletions=True) if deleted else rows


async def _rows(reader: Reader, scope: Scope, ids: Sequence[str], *, with_deletions: bool) -> list[ThreadRow]:
    parts = thread_parts(narrow=BY_THREADS, with_deletions=with_deletions)
    statement = Statement(parts, scope.parameters(thread_ids=list(ids)))
    return await reader.rows_as(DECODER, statement, SELECT + "stated", settings=ONE_CORE)


def _runs(ids: Sequence[str]) -> list[Sequence[str]]:
    """Return `ids` in runs that a query takes as a parameter."""
    sizes = [len(thread_id.encode()) for thread_id in ids]
    return chunks(ids, sizes, bytes_max=PARAMETER_BYTES_MAX, items_max=IDS_AT_ONCE_MAX)
