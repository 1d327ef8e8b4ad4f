"""The first and last message of threads: the preview where it is whole, else the payload.

A row names the traces in which they stand: the id, and of how many events the trace was folded. Previews are kept under
that name, in the order of searches; a message whose name is not there is read from the events.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import msgspec

from pipeline.query.payloads import IMAGE_BEGINNINGS, IMAGES, Payload, Wanted, payloads, runs_of
from pipeline.query.reader import Reader
from pipeline.query.rows import raw
from pipeline.query.statement import Scope

_IMAGES: Final = tuple((re.compile(pattern), shown) for pattern, shown in IMAGES)
_IMAGE_MARKS: Final = ("data:image/", *(f'"{beginning}' for beginning in IMAGE_BEGINNINGS))

_PREVIEWS: Final = """
SELECT first_trace, is_last, trace_id, trace_events, preview
FROM thread_previews FINAL
PREWHERE workspace = {workspace:String} AND project_id = {project_id:UUID} AND first_trace IN {firsts:Array(UInt128)}"""

End = Literal["first", "last"]
_ENDS: Final[tuple[End, End]] = ("first", "last")
Previews = Mapping[tuple[int, int], Mapping[str, Any]]
"""By the first trace of a thread, and by whether it is a last message (1)."""


class Messages(NamedTuple):
    """How a thread begins and ends, as JSON; None where nothing was said."""

    first: msgspec.Raw | None
    last: msgspec.Raw | None


async def messages_of(
    reader: Reader, scope: Scope, rows: Sequence[Mapping[str, Any]], *, truncate: bool
) -> list[Messages]:
    """Return the messages of each row, which says in which traces they stand and how long they are."""
    previews = await _previews(reader, scope, rows)
    firsts, lasts = ([_begin(row, end, previews) for row in rows] for end in _ENDS)
    whole = await _whole(reader, scope.workspace, rows, (firsts, lasts), truncate=truncate)
    return [
        Messages(
            raw(whole[row["first_id"]].input if first is None else _shown(first, cut=truncate)),
            raw(whole[row["last_id"]].output if last is None else _shown(last, cut=truncate)),
        )
        for row, first, last in zip(rows, firsts, lasts, strict=True)
    ]


async def _previews(reader: Reader, scope: Scope, rows: Sequence[Mapping[str, Any]]) -> Previews:
    if not rows:
        return {}
    found = await reader.ask(_PREVIEWS, scope.parameters(firsts=[row["first_trace"] for row in rows]))
    return {(row["first_trace"], row["is_last"]): row for row in found}


def _begin(row: Mapping[str, Any], end: End, previews: Previews) -> str | None:
    """Return the message where its preview is all of it; None where there is more of it, or no preview."""
    size: int = row[f"{end}_bytes"]
    if not size:
        return ""
    said = previews.get((row["first_trace"], 1 if end == "last" else 0))
    if said is None or said["trace_id"] != row[f"{end}_id"] or said["trace_events"] != row[f"{end}_events"]:
        return None
    preview: str = said["preview"]
    # Only where the numbers differ bytes are counted.
    return preview if size == len(preview) or size <= len(preview.encode()) else None


async def _whole(
    reader: Reader,
    workspace: str,
    rows: Sequence[Mapping[str, Any]],
    begins: tuple[Sequence[str | None], Sequence[str | None]],
    *,
    truncate: bool,
) -> dict[UUID, Payload]:
    """Return the payloads in which those messages stand of which `begins` has None."""
    sizes: dict[UUID, int] = {}
    for end, texts in zip(_ENDS, begins, strict=True):
        for row, text in zip(rows, texts, strict=True):
            if text is None:
                sizes[row[f"{end}_id"]] = sizes.get(row[f"{end}_id"], 0) + row[f"{end}_bytes"]
    found: dict[UUID, Payload] = {}
    for run in runs_of(list(sizes), list(sizes.values())):
        found |= await payloads(reader, workspace, [Wanted(id_) for id_ in run], truncate=truncate)
    return found


def _shown(text: str, *, cut: bool) -> str:
    if cut and any(mark in text for mark in _IMAGE_MARKS):
        for image, shown in _IMAGES:
            text = image.sub(shown, text)
    return text
