"""The first and last message of threads: the preview where it is whole, else the payload."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from pipeline.query.payloads import Payload, Wanted, payloads, runs_of
from pipeline.query.reader import Reader
from pipeline.query.rows import raw

_IMAGE: Final = re.compile(r'data:image/[^;"]*;base64,[A-Za-z0-9+/=]+')
_IMAGE_MARK: Final = "data:image/"
_SHOWN_IMAGE: Final = "[image]"


class Messages(NamedTuple):
    """How a thread begins and ends, as JSON; None where nothing was said."""

    first: msgspec.Raw | None
    last: msgspec.Raw | None


async def messages_of(
    reader: Reader, workspace: str, rows: Sequence[Mapping[str, Any]], *, truncate: bool
) -> list[Messages]:
    """Return the messages of each row, which says in which traces they stand, how long they are and how they begin."""
    whole = await _whole(reader, workspace, rows, truncate=truncate)
    return [
        Messages(
            raw(whole[row["first_id"]].input if _is_cut(row, "first") else _shown(row["first_preview"], cut=truncate)),
            raw(whole[row["last_id"]].output if _is_cut(row, "last") else _shown(row["last_preview"], cut=truncate)),
        )
        for row in rows
    ]


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
    """Tell whether there is more of the message than its preview; only where the numbers differ bytes are counted."""
    preview: str = row[f"{end}_preview"]
    size: int = row[f"{end}_bytes"]
    return size != len(preview) and size > len(preview.encode())


def _shown(text: str, *, cut: bool) -> str:
    return _IMAGE.sub(_SHOWN_IMAGE, text) if cut and _IMAGE_MARK in text else text
