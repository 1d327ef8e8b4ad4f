"""Payloads by id: input, output, metadata and error, folded from the events of a trace or span and whole.

Of the events that name a field the one with the largest (version_us, content_hash) counts. A trace's events may stand
under several thread ids (the start copy of the SDKs names none), so `trace_fields`, which is ordered by id, first says
under which; both steps follow a sorting key.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from pipeline.query.filters import Field, Kind, Predicate
from pipeline.query.reader import Item, Reader, chunks
from pipeline.query.statement import Statement

CHUNK_BYTES_MAX: Final = 8 * 1024 * 1024
CHUNK_ITEMS_MAX: Final = 2000
_OTHERS_BYTES: Final = 1024  # what metadata and error are taken to weigh; their sizes are not kept

IMAGE_BEGINNINGS: Final = ("/9j/", "iVBORw0KGgo", "R0lGODlh", "R0lGODdh", "Qk", "SUkq", "TU0A", "UklGR")
"""How JPEG, PNG, GIF, BMP, TIFF and WebP begin in base64."""
IMAGES: Final = (
    (r'data:image/[^;"]*;base64,[A-Za-z0-9+/=]+', "[image]"),
    (rf'"(?:{"|".join(IMAGE_BEGINNINGS)})[A-Za-z0-9+/]{{64,}}={{0,2}}"', '"[image]"'),
)
"""What is an image in base64, for RE2 and Python alike, and what stands for it: a data URL anywhere, and a string that
is nothing else, as several model APIs want it; no word is as long."""


def _pictured(text: str) -> str:
    """Return the SQL of `text` without images."""
    for pattern, shown in IMAGES:
        text = f"replaceRegexpAll({text}, '{pattern}', '{shown}')"
    return text


_SHOWN: Final = f"""
    multiIf(
        NOT {{truncate:Bool}}, whole,
        lengthUTF8({_pictured("whole")} AS pictured_whole) <= 10001, pictured_whole,
        startsWith(pictured_whole, '"'), toJSONString(leftUTF8(JSONExtractString(pictured_whole), 10001)),
        toJSONString(leftUTF8(pictured_whole, 10001))
    )"""
"""What is too long is cut and given as a string, as Opik does: a JSON text that was cut is no JSON any more."""
_FIELDS: Final = ("input", "output", "metadata", "error_info")


def _payload_sql(source: str) -> str:
    """Return the query of payloads from `source`."""
    newest = ", ".join(f"argMax({field}, (version_us, content_hash)) AS {field}" for field in _FIELDS)
    return f"SELECT id, {newest} {source} GROUP BY id"


_TRACES: Final = _payload_sql("""
FROM trace_events
WHERE workspace = {workspace:String} AND (thread_id, toUInt128(id)) IN (
    SELECT thread_id, toUInt128(id) FROM trace_fields
    WHERE workspace = {workspace:String} AND toUInt128(id) IN {ids:Array(UInt128)}
)""")
_SPANS: Final = _payload_sql("""
FROM span_events
WHERE workspace = {workspace:String} AND toUInt128(trace_id) IN {trace_ids:Array(UInt128)}
  AND toUInt128(id) IN {ids:Array(UInt128)}""")


def _shown(sql: str) -> str:
    """Return `sql` with input and output as they are shown: cut, and without images, where `truncate` is set."""
    columns = ", ".join(f"{_SHOWN.replace('whole', field)} AS shown_{field}" for field in ("input", "output"))
    return f"SELECT id, metadata, error_info, {columns} FROM ({sql})"  # noqa: S608 - composed of constants


_TRACES_SHOWN: Final = _shown(_TRACES)
_SPANS_SHOWN: Final = _shown(_SPANS)


class Wanted(msgspec.Struct, frozen=True):
    """Whose payload is wanted. `trace_id` is set for spans."""

    id: UUID
    trace_id: UUID | None = None


class Payload(msgspec.Struct, frozen=True):
    """The payload of one trace or span: JSON text, or None where no event named the field."""

    input: str | None = None
    output: str | None = None
    metadata: str | None = None
    error_info: str | None = None


async def payloads(reader: Reader, workspace: str, wanted: Sequence[Wanted], *, truncate: bool) -> dict[UUID, Payload]:
    """Return the payloads by id: all of traces, or all of spans. The caller bounds how much it wants (`runs_of`)."""
    if not wanted:
        return {}
    parameters: dict[str, object] = {
        "workspace": workspace, "ids": [item.id.int for item in wanted], "truncate": truncate,
    }  # fmt: skip
    traces = {item.trace_id.int for item in wanted if item.trace_id}
    if traces:
        parameters["trace_ids"] = sorted(traces)
    found = await reader.ask(_SPANS_SHOWN if traces else _TRACES_SHOWN, parameters)
    return {item.id: Payload() for item in wanted} | {row["id"]: _payload(row) for row in found}


def runs_of(rows: Sequence[Item], sizes: Sequence[int]) -> list[Sequence[Item]]:
    """Return `rows` in runs whose payloads, of `sizes` bytes, may be held at once."""
    whole = [size + _OTHERS_BYTES for size in sizes]
    return chunks(rows, whole, bytes_max=CHUNK_BYTES_MAX, items_max=CHUNK_ITEMS_MAX)


def _payload(row: dict[str, Any]) -> Payload:
    return Payload(row["shown_input"], row["shown_output"], row["metadata"], row["error_info"])


def payload_field(kind: Kind, identity: str, payload: str, preview: str, size: str, source: str = "live") -> Field:
    """Return the field of a trace's `payload` (input or output) whose start stands in `preview`, a column of `source`.

    The predicate is asked of the preview where that is all there is (`size` in bytes says so), else of the events, one
    by one, so that no query holds payloads.
    """

    def condition(predicate: Predicate, key: str, _: Statement) -> str:
        extracted = _document(key) if kind == "document" else "{}"
        whole = predicate(extracted.replace("{}", payload))
        start = predicate(extracted.replace("{}", preview))
        return (
            f"if({size} > length(ifNull({preview}, '')), {identity} IN (SELECT id FROM (SELECT id, argMax({whole}, "  # noqa: S608
            f"(version_us, content_hash)) AS holds FROM trace_events WHERE workspace = {{workspace:String}} "
            f"AND {payload} IS NOT NULL AND id IN (SELECT {identity} FROM {source} WHERE {size} > length(ifNull("
            f"{preview}, ''))) GROUP BY id) WHERE holds), {start})"
        )

    return Field(kind, condition)


def event_field(kind: Kind, payload: str, table: str, narrowed: str) -> Field:
    """Return the field of a payload that only the events of `table` have, of the rows whose events are `narrowed`.

    Most rows have no such event, and a predicate may hold for those too: looked for are the rows of which something
    else is true.
    """

    def condition(predicate: Predicate, key: str, _: Statement) -> str:
        extracted = _document(key) if kind == "document" else "{}"
        whole = predicate(extracted.replace("{}", payload))
        absent = predicate("CAST(NULL, 'Nullable(String)')")
        folded = (
            f"SELECT id, argMax({whole}, (version_us, content_hash)) AS holds FROM {table} "  # noqa: S608
            f"WHERE workspace = {{workspace:String}} AND {payload} IS NOT NULL AND {narrowed} GROUP BY id"
        )
        return f"(id IN (SELECT id FROM ({folded}) WHERE holds != ({absent}))) != ({absent})"  # noqa: S608

    return Field(kind, condition)


def _document(key: str) -> str:
    """Return the text of what stands at `key`: a member of that name, or a path of members joined by dots."""
    path = f"splitByChar('.', {key})"
    member = (
        "if(JSONHas({}, "
        + key
        + "), JSONExtractRaw({}, "
        + key
        + "), "
        + (f"arrayFold((document, name) -> JSONExtractRaw(document, name), {path}, ifNull({{}}, '')))")
    )
    return f"nullIf(if(startsWith({member}, '\"'), JSONExtractString({member}), {member}), '')"
