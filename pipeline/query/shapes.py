"""From rows of the tables to the objects of an answer."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from msgspec import NODEFAULT, structs

from pipeline.events.identity import NIL_ID
from pipeline.query.messages import Messages
from pipeline.query.payloads import Payload
from pipeline.query.reviews import Review
from pipeline.query.rows import AUTHOR, Comment, Row, Score, Span, Thread, Trace, cost_of, duration_ms, raw
from pipeline.query.thread_rows import Standing, ThreadRow
from pipeline.query.times import iso, iso_or_none

AnyRow = TypeVar("AnyRow", bound=Row)


def trace(
    row: Mapping[str, Any],
    payload: Payload,
    scores: list[Score],
    comments: list[Comment],
    spent: Mapping[str, Any] | None,
) -> Trace:
    """Return a trace. One that was only patched has no start yet: its first event's receipt stands for it."""
    return Trace(
        id=row["id"],
        project_id=row["project_id"],
        name=row["name"],
        start_time=iso(_start(row)),
        end_time=iso_or_none(row["end_time_us"]),
        input=raw(payload.input),
        output=raw(payload.output),
        metadata=raw(payload.metadata),
        tags=row["tags"],
        error_info=raw(payload.error_info),
        usage=spent["usage"] if spent else {},
        created_at=iso(row["created_at_us"]),
        last_updated_at=iso(row["last_updated_at_us"]),
        created_by=AUTHOR,
        last_updated_by=AUTHOR,
        feedback_scores=scores,
        comments=comments,
        total_estimated_cost=cost_of(spent["cost"]) if spent else None,
        span_count=spent["spans"] if spent else 0,
        llm_span_count=spent["llm_spans"] if spent else 0,
        duration=duration_ms(row["start_time_us"], row["end_time_us"]),
        ttft=row["ttft"],
        thread_id=row["thread_id"] or None,
        source=row["source"],
        environment=row["environment"],
    )


def span(row: Mapping[str, Any], payload: Payload, scores: list[Score], comments: list[Comment]) -> Span:
    """Return a span."""
    parent = row["parent_span_id"]
    return Span(
        id=row["id"],
        project_id=row["project_id"],
        trace_id=row["trace_id"],
        parent_span_id=None if parent == NIL_ID else parent,
        name=row["name"],
        type=row["type"],
        start_time=iso(_start(row)),
        end_time=iso_or_none(row["end_time_us"]),
        input=raw(payload.input),
        output=raw(payload.output),
        metadata=raw(payload.metadata),
        model=row["model"],
        provider=row["provider"],
        tags=row["tags"],
        usage=row["usage"],
        error_info=raw(payload.error_info),
        created_at=iso(row["created_at_us"]),
        last_updated_at=iso(row["last_updated_at_us"]),
        created_by=AUTHOR,
        last_updated_by=AUTHOR,
        feedback_scores=scores,
        comments=comments,
        total_estimated_cost=cost_of(row["total_estimated_cost"]),
        total_estimated_cost_version=row["total_estimated_cost_version"],
        duration=duration_ms(row["start_time_us"], row["end_time_us"]),
        ttft=row["ttft"],
        source=row["source"],
        environment=row["environment"],
    )


def thread(row: ThreadRow, project_id: UUID) -> Thread:
    """Return a thread as far as its row tells of it: `stand` and `complete` do the rest."""
    return Thread(
        id=row.thread_id,
        project_id=project_id,
        thread_model_id=UUID(int=row.model),
        start_time=iso_or_none(row.start_us),
        end_time=iso_or_none(row.end_us),
        duration=duration_ms(row.start_us, row.end_us),
        status=row.status,
        number_of_messages=row.messages,
        total_estimated_cost=row.cost or None,
        usage=row.usage,
        created_at=iso(row.created_us),
        last_updated_at=iso(row.last_updated_us) if row.last_updated_us else "",  # `stand` brings it then
        created_by=AUTHOR,
        last_updated_by=AUTHOR,
        source=row.source,
        environment=row.environment,
    )


def stand(begun: Thread, row: ThreadRow, standing: Standing) -> None:
    """Add to a thread, and to its row, what its sessions tell."""
    row.status, row.reopened, row.deleted_at_us = standing.status, standing.reopened, standing.deleted_at_us
    begun.status, begun.last_updated_at = standing.status, iso(standing.last_updated_us)


def complete(begun: Thread, review: Review, messages: Messages) -> Thread:
    """Add to a thread what was said of it and in it, and return it."""
    begun.first_message, begun.last_message = messages
    begun.feedback_scores, begun.tags, begun.comments = review
    return begun


def without(row: AnyRow, exclude: Sequence[str]) -> AnyRow:
    """Take the members `exclude` from `row`; those that every row must have stay."""
    if exclude:
        for field in structs.fields(row):
            if field.name in exclude and (field.default is not NODEFAULT or field.default_factory is not NODEFAULT):
                absent = field.default if field.default is not NODEFAULT else field.default_factory()
                setattr(row, field.name, absent)
    return row


def _start(row: Mapping[str, Any]) -> int:
    start: int | None = row["start_time_us"]
    created: int = row["created_at_us"]
    return created if start is None else start
