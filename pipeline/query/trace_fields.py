"""What traces can be filtered and sorted by: each field's kind, and where its value stands."""

from collections.abc import Callable, Sequence
from typing import Final

from pipeline.query import sorting
from pipeline.query.filters import ABSENT_LIST, ABSENT_TEXT, Field, Predicate, column
from pipeline.query.parts import score_parts
from pipeline.query.payloads import event_field, payload_field
from pipeline.query.scores import score_field
from pipeline.query.statement import Statement

DURATION: Final = "(end_time_us - start_time_us) / 1000"

_SPENT: Final = """
    SELECT trace_id, sumMap(usage) AS usage, sum(total_estimated_cost) AS cost, countIf(type = 'llm') AS llm
    FROM spans FINAL
    WHERE workspace = {workspace:String} AND toUInt128(trace_id) IN (SELECT toUInt128(id) FROM live)
    GROUP BY trace_id"""
_TRACE_SPANS: Final = """
    SELECT trace_id, toUInt128(id) AS span
    FROM spans FINAL
    WHERE workspace = {workspace:String} AND toUInt128(trace_id) IN (SELECT toUInt128(id) FROM live)"""
_SPAN_AVERAGES: Final = """
    SELECT trace_id, lowerUTF8(name) AS folded_name, avg(average) AS average
    FROM span_scores INNER JOIN trace_spans ON entity = span
    GROUP BY trace_id, folded_name"""
_OF_PROJECT: Final = """(
            SELECT toUInt128(id) FROM traces
            PREWHERE workspace = {workspace:String} AND project_id = {project_id:UUID}
        )"""
"""All that ever was in the project: cheaper than what lives there, and whoever asks for a score names what lives."""
_JOINS: Final = {
    frozenset({"usage", "total_estimated_cost"}): "LEFT JOIN matching_spent ON matching_spent.trace_id = matching.id",
    frozenset({"feedback_scores"}): "LEFT JOIN matching_averages ON matching_averages.entity = toUInt128(matching.id)",
}
"""What a field needs that is not on the row of its trace."""


def field_parts() -> dict[str, str]:
    """Return the parts that fields read beside `live`; those that no condition names cost nothing."""
    return (
        score_parts("trace", _OF_PROJECT)
        | score_parts("span", "(SELECT span FROM trace_spans)", prefix="span_")
        | {"spent": _SPENT, "trace_spans": _TRACE_SPANS, "span_averages": _SPAN_AVERAGES}
    )  # fmt: skip


def source_of(statement: Statement, sorts: Sequence[sorting.Sort]) -> str:
    """Return the part with what meets the conditions of `statement`, whose rows can be sorted by `sorts`.

    Sums over spans, and scores, are read only of traces that meet them.
    """
    sorted_by = {sort.field.partition(".")[0] for sort in sorts}
    joins = [join for fields, join in _JOINS.items() if fields & sorted_by]
    if not joins:
        return "live"
    statement.choose("matching", "live")
    statement.add(score_parts("trace", "(SELECT toUInt128(id) FROM matching)", prefix="matching_"))
    statement.add({"matching_spent": _SPENT.replace("FROM live", "FROM matching")})
    statement.add({"weighed": " ".join(("SELECT * FROM matching", *joins))})
    return "weighed"


def _spent(expression: str, exists: str) -> Field:
    """Return a number that the spans of a trace add up to; traces of which no span says it never match."""

    def condition(predicate: Predicate, _key: str, _statement: Statement) -> str:
        return f"id IN (SELECT trace_id FROM spent WHERE {exists} AND {predicate(expression)})"  # noqa: S608

    return Field("number", condition)


def _llm_spans() -> Callable[[Predicate, str, Statement], str]:
    def condition(predicate: Predicate, _key: str, _statement: Statement) -> str:
        counted = f"id IN (SELECT trace_id FROM spent WHERE {predicate('llm')})"  # noqa: S608
        return f"if(id IN (SELECT trace_id FROM spent), {counted}, {predicate('0')})"  # noqa: S608

    return condition


def _span_scores(predicate: Predicate, key: str, _: Statement) -> str:
    holds = f"folded_name = lowerUTF8({key}) AND {predicate('average')}"
    return f"id IN (SELECT trace_id FROM span_averages WHERE {holds})"  # noqa: S608


FIELDS: Final[dict[str, Field]] = {
    "id": column("exact", "toString(id)"),
    "thread_id": column("exact", "thread_id"),
    "name": column("text", "name"),
    "start_time": column("time", "start_time_us"),
    "end_time": column("time", "end_time_us"),
    "created_at": column("time", "created_at_us"),
    "last_updated_at": column("time", "last_updated_at_us"),
    "input": payload_field("text", "id", "input", "input_preview", "input_bytes"),
    "output": payload_field("text", "id", "output", "output_preview", "output_bytes"),
    "input_json": payload_field("document", "id", "input", "input_preview", "input_bytes"),
    "output_json": payload_field("document", "id", "output", "output_preview", "output_bytes"),
    "metadata": event_field("document", "metadata", "trace_events", "id IN (SELECT id FROM live)"),
    "tags": column("list", "tags"),
    "duration": column("number", DURATION),
    "ttft": column("number", "ttft"),
    "source": column("choice", "source"),
    "environment": column("choice", "environment"),
    "error_info": column("presence", "error_preview"),
    "feedback_scores": score_field("toUInt128(id)"),
    "span_feedback_scores": Field("score", _span_scores),
    "total_estimated_cost": _spent("toFloat64(cost)", "cost > 0"),
    "llm_span_count": Field("number", _llm_spans()),
    "annotation_queue_ids": ABSENT_LIST,
    "experiment_id": ABSENT_TEXT,
    "guardrails": ABSENT_TEXT,
} | {
    f"usage.{name}": _spent(f"usage['{name}']", f"mapContains(usage, '{name}')")
    for name in ("total_tokens", "prompt_tokens", "completion_tokens")
}

SEARCHED: Final = (
    column("text", "toString(id)"), column("text", "thread_id"), FIELDS["name"], FIELDS["input"], FIELDS["output"],
)  # fmt: skip

SORTS: Final[dict[str, sorting.Expression]] = {
    "id": "toUInt128(id)",
    "name": "name",
    "thread_id": "thread_id",
    "start_time": "start_time_us",
    "end_time": "end_time_us",
    "duration": DURATION,
    "ttft": "ttft",
    "created_at": "created_at_us",
    "last_updated_at": "last_updated_at_us",
    "total_estimated_cost": "nullIf(cost, 0)",
    "usage.*": sorting.entry("usage"),
    "feedback_scores.*": sorting.entry("averages"),
    "tags": sorting.listed("arraySort(tags)"),
}
