"""What spans can be filtered and sorted by: each field's kind, and where its value stands."""

from collections.abc import Sequence
from typing import Final

from pipeline.query import sorting
from pipeline.query.filters import Field, column
from pipeline.query.parts import score_parts
from pipeline.query.payloads import event_field
from pipeline.query.scores import score_field

DURATION: Final = "(end_time_us - start_time_us) / 1000"

_OF_TRACE: Final = """
    SELECT * FROM spans FINAL
    WHERE workspace = {workspace:String} AND toUInt128(trace_id) = {trace:UInt128}"""
_OF_PROJECT: Final = """
    SELECT * FROM spans FINAL
    WHERE workspace = {workspace:String}
      AND (project_id = {project_id:UUID} OR ({with_unnamed:Bool} AND project_id = {nil:UUID}))"""

_RATED: Final = "SELECT * FROM live_spans LEFT JOIN averages ON averages.entity = toUInt128(live_spans.id)"


_EVENTS: Final = """(toUInt128(trace_id), toUInt128(id)) IN (
    SELECT toUInt128(trace_id), toUInt128(id) FROM live_spans
)"""


def field_parts(*, of_trace: bool) -> dict[str, str]:
    """Return `live_spans`, of the trace `trace` or of the project, their `scores`, and `rated`: spans with averages."""
    scores = score_parts("span", "(SELECT toUInt128(id) FROM live_spans)")
    return {"live_spans": _OF_TRACE if of_trace else _OF_PROJECT, **scores, "rated": _RATED}


def source_of(sorts: Sequence[sorting.Sort]) -> str:
    """Return the part whose rows can be sorted by `sorts`."""
    return "rated" if any(sort.field.startswith("feedback_scores.") for sort in sorts) else "live_spans"


FIELDS: Final[dict[str, Field]] = {
    "id": column("exact", "toString(id)"),
    "trace_id": column("exact", "toString(trace_id)"),
    "parent_span_id": column("exact", "toString(parent_span_id)"),
    "name": column("text", "name"),
    "type": column("choice", "type"),
    "start_time": column("time", "start_time_us"),
    "end_time": column("time", "end_time_us"),
    "created_at": column("time", "created_at_us"),
    "last_updated_at": column("time", "last_updated_at_us"),
    "input": event_field("text", "input", "span_events", _EVENTS),
    "output": event_field("text", "output", "span_events", _EVENTS),
    "input_json": event_field("document", "input", "span_events", _EVENTS),
    "output_json": event_field("document", "output", "span_events", _EVENTS),
    "metadata": event_field("document", "metadata", "span_events", _EVENTS),
    "tags": column("list", "tags"),
    "duration": column("number", DURATION),
    "ttft": column("number", "ttft"),
    "model": column("text", "model"),
    "provider": column("text", "provider"),
    "source": column("choice", "source"),
    "environment": column("choice", "environment"),
    "error_info": column("presence", "error_preview"),
    "total_estimated_cost": column("number", "toFloat64(total_estimated_cost)"),
    "feedback_scores": score_field("toUInt128(id)"),
} | {
    f"usage.{name}": column("number", f"if(mapContains(usage, '{name}'), usage['{name}'], NULL)")
    for name in ("total_tokens", "prompt_tokens", "completion_tokens")
}

SEARCHED: Final = (column("text", "toString(id)"), FIELDS["name"], FIELDS["model"])

SORTS: Final[dict[str, sorting.Expression]] = {
    "id": "toUInt128(id)",
    "name": "name",
    "type": "type",
    "start_time": "start_time_us",
    "end_time": "end_time_us",
    "duration": DURATION,
    "model": "model",
    "provider": "provider",
    "total_estimated_cost": "nullIf(total_estimated_cost, 0)",
    "usage.*": sorting.entry("usage"),
    "feedback_scores.*": sorting.entry("averages"),
    "tags": sorting.listed("arraySort(tags)"),
    "created_at": "created_at_us",
    "last_updated_at": "last_updated_at_us",
}
