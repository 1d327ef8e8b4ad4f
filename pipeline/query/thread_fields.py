"""What threads can be filtered and sorted by: each field's kind, and where its value stands."""

from typing import Final

from pipeline.query import sorting
from pipeline.query.filters import ABSENT_LIST, Field, Predicate, column
from pipeline.query.parts import preview_parts
from pipeline.query.payloads import payload_field
from pipeline.query.rows import AUTHOR
from pipeline.query.statement import Statement


def _scores(predicate: Predicate, key: str, _: Statement) -> str:
    """Return the condition that one of the names which are `key` in whatever case has an average that matches."""
    names = f"arrayFilter(name -> lowerUTF8(name) = lowerUTF8({key}), arrayDistinct(counted.1))"
    values = "arrayMap(author -> toFloat64(author.3.1), arrayFilter(author -> author.1 = name, counted))"
    average = f"arrayReduce('avg', {values})"
    return f"arrayExists(name -> {predicate(average)}, {names})"


def _average(name: str) -> str:
    """Return the average that authors gave under exactly that name, NULL where none did."""
    values = f"arrayMap(author -> toFloat64(author.3.1), arrayFilter(author -> author.1 = {name}, counted))"
    return f"arrayReduce('avgOrNull', {values})"


def _message(payload: str, end: str) -> Field:
    """Return the field of the first or last message (`end`) of a thread, the `payload` of a trace."""
    field = payload_field("text", f"{end}_id", payload, f"{end}_preview", f"{end}_bytes", "folded")

    def condition(predicate: Predicate, key: str, statement: Statement) -> str:
        statement.add(preview_parts())
        return field.condition(predicate, key, statement)

    return Field(field.kind, condition)


_ID: Final = column("exact", "thread_id")

FIELDS: Final[dict[str, Field]] = {
    "id": _ID,
    "thread_id": _ID,
    "first_message": _message("input", "first"),
    "last_message": _message("output", "last"),
    "number_of_messages": column("number", "messages"),
    "duration": column("number", "duration_ms"),
    "start_time": column("time", "start_us"),
    "end_time": column("time", "end_us"),
    "created_at": column("time", "created_us"),
    "last_updated_at": column("time", "last_updated_us"),
    "feedback_scores": Field("score", _scores),
    "status": column("choice", "status"),
    "environment": column("choice", "environment"),
    "source": column("choice", "source"),
    "tags": column("list", "tags"),
    "annotation_queue_ids": ABSENT_LIST,
}

SEARCHED: Final = (column("text", "thread_id"), FIELDS["first_message"], FIELDS["last_message"])

SORTS: Final[dict[str, sorting.Expression]] = {
    "id": "thread_id",
    "start_time": "start_us",
    "end_time": "end_us",
    "duration": "duration_ms",
    "number_of_messages": "messages",
    "last_updated_at": "last_updated_us",
    "created_at": "created_us",
    "created_by": f"'{AUTHOR}'",
    "status": "status",
    "total_estimated_cost": "nullIf(cost, 0)",
    "usage.*": sorting.entry("usage"),
    "feedback_scores.*": _average,
    "tags": sorting.listed("tags"),
}
"""By these a page can be sorted."""

NEWEST_FIRST: Final = ("last_updated_us DESC", "start_us ASC", "end_us DESC NULLS LAST", "model DESC")
"""Opik's order of pages; model ids are distinct, so it is total."""
