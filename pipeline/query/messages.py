"""The first and last message of threads: the preview where it is whole, else the payload."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from pipeline.query.payloads import CHUNK_ITEMS_MAX, Payload, Wanted, payloads, runs_of
from pipeline.query.reader import PARAMETER_BYTES_MAX, Reader, chunks
from pipeline.query.rows import Thread, raw

_IMAGE: Final = re.compile(r'data:image/[^;"]*;base64,[A-Za-z0-9+/=]+')
_SHOWN_IMAGE: Final = "[image]"
_PREVIEWS: Final = """
SELECT
    id,
    argMax(input_preview, (version_us, content_hash)) AS input,
    argMaxIf(input_bytes, (version_us, content_hash), isNotNull(input_preview)) AS input_whole_bytes,
    input_whole_bytes > ifNull(length(input), 0) AS input_is_cut,
    argMax(output_preview, (version_us, content_hash)) AS output,
    argMaxIf(output_bytes, (version_us, content_hash), isNotNull(output_preview)) AS output_whole_bytes,
    output_whole_bytes > ifNull(length(output), 0) AS output_is_cut
FROM trace_fields
WHERE workspace = {workspace:String} AND toUInt128(id) IN {ids:Array(UInt128)}
GROUP BY id"""


class _Preview(NamedTuple):
    """How input and output begin; where they are cut, the rest is in the events."""

    input: str | None = None
    input_whole_bytes: int = 0
    input_is_cut: int = 0
    output: str | None = None
    output_whole_bytes: int = 0
    output_is_cut: int = 0


_NO_PREVIEW: Final = _Preview()


async def put_messages(
    reader: Reader, workspace: str, rows: Sequence[Mapping[str, Any]], found: Mapping[str, Thread], *, truncate: bool
) -> None:
    """Set the messages of the threads `found` by thread id, whose rows say where each message stands."""
    ids = list(dict.fromkeys(row[end] for row in rows for end in ("first_id", "last_id")))
    starts = await _previews(reader, workspace, ids)
    whole = await _whole(reader, workspace, rows, starts, truncate=truncate)
    for row in rows:
        thread = found[row["thread_id"]]
        first, last = starts[row["first_id"]], starts[row["last_id"]]
        thread.first_message = raw(
            whole[row["first_id"]].input if first.input_is_cut else _shown(first.input, truncate=truncate)
        )
        thread.last_message = raw(
            whole[row["last_id"]].output if last.output_is_cut else _shown(last.output, truncate=truncate)
        )


async def _previews(reader: Reader, workspace: str, ids: Sequence[UUID]) -> dict[UUID, _Preview]:
    """Return the beginnings of input and output, folded from the events, which stand in the order of ids.

    Rows of `traces` hold them too, but in the order of thread ids: those of the threads that one page shows lie
    scattered there, and reading them for 2000 threads took four times as long.
    """
    runs = chunks(ids, [0] * len(ids), bytes_max=PARAMETER_BYTES_MAX, items_max=CHUNK_ITEMS_MAX)
    answers = await asyncio.gather(
        *(reader.ask(_PREVIEWS, {"workspace": workspace, "ids": [id_.int for id_ in run]}) for run in runs)
    )
    known = {row["id"]: _Preview(*(row[name] for name in _Preview._fields)) for rows in answers for row in rows}
    return {id_: known.get(id_, _NO_PREVIEW) for id_ in ids}


async def _whole(
    reader: Reader,
    workspace: str,
    rows: Sequence[Mapping[str, Any]],
    starts: Mapping[UUID, _Preview],
    *,
    truncate: bool,
) -> dict[UUID, Payload]:
    sizes: dict[UUID, int] = {}
    for row in rows:
        first, last = starts[row["first_id"]], starts[row["last_id"]]
        if first.input_is_cut:
            sizes[row["first_id"]] = sizes.get(row["first_id"], 0) + first.input_whole_bytes
        if last.output_is_cut:
            sizes[row["last_id"]] = sizes.get(row["last_id"], 0) + last.output_whole_bytes
    found: dict[UUID, Payload] = {}
    for run in runs_of(list(sizes), list(sizes.values())):
        found |= await payloads(reader, workspace, [Wanted(id_) for id_ in run], truncate=truncate)
    return found


def _shown(text: str | None, *, truncate: bool) -> str | None:
    return _IMAGE.sub(_SHOWN_IMAGE, text) if truncate and text else text
