"""The first and last message of threads: from the preview where it is whole, else from the events."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from pipeline.query.payloads import Payload, Wanted, payloads, runs_of
from pipeline.query.reader import Reader
from pipeline.query.rows import Thread, raw

_IMAGE: Final = re.compile(r'data:image/[^;"]*;base64,[A-Za-z0-9+/=]+')
_SHOWN_IMAGE: Final = "[image]"


async def put_messages(
    reader: Reader, workspace: str, rows: Sequence[Mapping[str, Any]], found: Mapping[str, Thread], *, truncate: bool
) -> None:
    """Set the messages of the threads `found` by thread id, whose rows say where each message stands."""
    whole = await _whole(reader, workspace, rows, truncate=truncate)
    for row in rows:
        thread = found[row["thread_id"]]
        thread.first_message = raw(
            whole[row["first_id"]].input if _is_cut(row, "first") else _shown(row["first_preview"], truncate=truncate)
        )
        thread.last_message = raw(
            whole[row["last_id"]].output if _is_cut(row, "last") else _shown(row["last_preview"], truncate=truncate)
        )


async def _whole(
    reader: Reader, workspace: str, rows: Sequence[Mapping[str, Any]], *, truncate: bool
) -> dict[UUID, Payload]:
    sizes: dict[UUID, int] = {}
    for row in rows:
        for end in ("first", "last"):
            if _is_cut(row, end):
                sizes[row[f"{end}_id"]] = sizes.get(row[f"{end}_id"], 0) + row[f"{end}_bytes"]
    found: dict[UUID, Payload] = {}
    for run in runs_of(list(sizes), list(sizes.values())):
        found |= await payloads(reader, workspace, [Wanted(id_) for id_ in run], truncate=truncate)
    return found


def _is_cut(row: Mapping[str, Any], end: str) -> bool:
    """Tell whether the preview is only the beginning."""
    return bool(row[f"{end}_bytes"] > (row[f"{end}_preview_bytes"] or 0))


def _shown(text: str | None, *, truncate: bool) -> str | None:
    return _IMAGE.sub(_SHOWN_IMAGE, text) if truncate and text else text
