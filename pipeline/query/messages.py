"""The first and last message of threads: the preview where it is whole, else the payload.

A row names the traces in which they stand: the id, and of how many events the trace was folded. Previews are kept under
that name, in the order of searches; a message whose name is not there is read from the events.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from pipeline.query.payloads import IMAGE_BEGINNINGS, IMAGES, Payload, Wanted, payloads, runs_of
from pipeline.query.reader import ONE_CORE, Reader, listed
from pipeline.query.rows import raw
from pipeline.query.statement import Scope
from pipeline.query.thread_rows import ThreadRow

_IMAGES: Final = tuple((re.compile(pattern), shown) for pattern, shown in IMAGES)
_IMAGE_MARKS: Final = ["data:image/", *(f'"{beginning}' for beginning in IMAGE_BEGINNINGS)]
"""Without any of these no pattern matches; ClickHouse looks for them, since it takes Python 10 ms for 4000 texts."""

_PREVIEWS: Final = f"""
SELECT first_trace, is_last, trace_id, trace_events, preview, CAST(multiSearchAny(preview, {_IMAGE_MARKS}), 'Bool')
FROM thread_previews FINAL
PREWHERE workspace = {{workspace:String}} AND project_id = {{project_id:UUID}}
    AND """  # noqa: S608 - composed of constants
_OF: Final = "first_trace IN (SELECT arrayJoin(CAST({firsts:String}, 'Array(UInt128)')))"
_BETWEEN: Final = "first_trace BETWEEN {oldest:UInt128} AND {newest:UInt128}"
"""2,000 threads take 15 ms of CPU so, 21 by their ids."""


class Preview(msgspec.Struct, frozen=True, array_like=True):
    """The beginning of a message; members are columns of `thread_previews`."""

    first_trace: int
    is_last: int
    trace_id: str
    trace_events: int
    preview: str
    may_have_images: bool


_DECODER: Final = msgspec.json.Decoder(Preview)
Previews = Mapping[tuple[int, int], Preview]
"""By the first trace of a thread, and by whether it is a last message (1)."""


Messages = tuple[msgspec.Raw | None, msgspec.Raw | None]
"""How a thread begins and ends, as JSON; None where nothing was said."""


async def messages_of(
    reader: Reader, scope: Scope, rows: Sequence[ThreadRow], previews: Previews, *, truncate: bool
) -> list[Messages]:
    """Return the messages of each row, which says in which traces they stand and how long they are."""
    firsts, lasts = [], []
    for row in rows:
        began, ended = previews.get((row.first_trace, 0)), previews.get((row.first_trace, 1))
        firsts.append(_begin(began, row.first_id, row.first_events, row.first_bytes, cut=truncate))
        lasts.append(_begin(ended, row.last_id, row.last_events, row.last_bytes, cut=truncate))
    sizes: dict[str, int] = {}
    for row, first, last in zip(rows, firsts, lasts, strict=True):
        if first is None:
            sizes[row.first_id] = sizes.get(row.first_id, 0) + row.first_bytes
        if last is None:
            sizes[row.last_id] = sizes.get(row.last_id, 0) + row.last_bytes
    whole = await _whole(reader, scope.workspace, sizes, truncate=truncate)
    return [
        (
            raw(whole[row.first_id].input if first is None else first),
            raw(whole[row.last_id].output if last is None else last),
        )
        for row, first, last in zip(rows, firsts, lasts, strict=True)
    ]


async def previews_of(reader: Reader, scope: Scope, first_traces: Sequence[int], *, between: bool = False) -> Previews:
    """Return the beginnings of messages of the threads with those first traces, as numbers, or of all between."""
    if not first_traces:
        return {}
    if between:
        asked, parameters = _BETWEEN, scope.parameters(oldest=min(first_traces), newest=max(first_traces))
    else:
        asked, parameters = _OF, scope.parameters(firsts=listed(first_traces))
    found = await reader.ask_as(_DECODER, _PREVIEWS + asked, parameters, settings=ONE_CORE)
    return {(said.first_trace, said.is_last): said for said in found}


def _begin(said: Preview | None, trace_id: str, events: int, size: int, *, cut: bool) -> str | None:
    """Return the message where its preview is all of it; None where there is more of it, or no preview.

    `size` is that of the whole message, in bytes; `cut` says whether images are left out.
    """
    if not size:
        return ""
    if said is None or said.trace_id != trace_id or said.trace_events != events:
        return None
    # Only where the numbers differ bytes are counted.
    if size != len(said.preview) and size > len(said.preview.encode()):
        return None
    return _pictured(said.preview) if cut and said.may_have_images else said.preview


async def _whole(reader: Reader, workspace: str, sizes: Mapping[str, int], *, truncate: bool) -> dict[str, Payload]:
    """Return the payloads of the traces `sizes`, which says how many bytes are wanted of each."""
    found: dict[str, Payload] = {}
    for run in runs_of(list(sizes), list(sizes.values())):
        read = await payloads(reader, workspace, [Wanted(UUID(id_)) for id_ in run], truncate=truncate)
        found |= {str(id_): payload for id_, payload in read.items()}
    return found


def _pictured(text: str) -> str:
    for image, shown in _IMAGES:
        text = image.sub(shown, text)
    return text
