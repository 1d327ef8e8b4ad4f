"""What goes out on the wire: traces, spans, threads, scores, comments and projects in Opik's shapes.

Payloads are JSON text in storage and stay text: they are spliced into the answer as they are, neither decoded nor
encoded again. Absent and empty members are left out.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

AUTHOR: Final = "admin"
"""Who did what no author is known of: Opik's name for the user of an installation without accounts."""

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_WALKER: Final = msgspec.json.Decoder(msgspec.Raw)
_WHOLE: Final = Decimal(1)


class Row(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One object of an answer; members at their default are absent."""


class ScoreByAuthor(Row, kw_only=True):
    """What one author gave."""

    value: Decimal
    reason: str | None = None
    category_name: str | None = None
    source: str | None = None
    last_updated_at: str


class Score(Row, kw_only=True):
    """A feedback score: of several authors the average, the reasons joined, and who gave what."""

    name: str
    value: Decimal
    category_name: str | None = None
    reason: str | None = None
    source: str | None = None
    created_at: str
    last_updated_at: str
    created_by: str
    last_updated_by: str
    value_by_author: dict[str, ScoreByAuthor]


class Comment(Row, kw_only=True):
    """A remark on a trace, a span or a thread."""

    id: UUID
    text: str
    created_at: str
    last_updated_at: str
    created_by: str
    last_updated_by: str


class Trace(Row, kw_only=True):
    """A trace as GET, search and pages give it. `duration` and `ttft` are milliseconds."""

    id: UUID
    project_id: UUID
    name: str | None = None
    start_time: str
    end_time: str | None = None
    input: msgspec.Raw | None = None
    output: msgspec.Raw | None = None
    metadata: msgspec.Raw | None = None
    tags: list[str] = []
    error_info: msgspec.Raw | None = None
    usage: dict[str, int] = {}
    created_at: str
    last_updated_at: str
    created_by: str
    last_updated_by: str
    feedback_scores: list[Score] = []
    comments: list[Comment] = []
    total_estimated_cost: Decimal | None = None
    span_count: int = 0
    llm_span_count: int = 0
    duration: float | None = None
    ttft: float | None = None
    thread_id: str | None = None
    source: str | None = None
    environment: str | None = None


class Span(Row, kw_only=True):
    """A span as GET, search and pages give it. `duration` and `ttft` are milliseconds."""

    id: UUID
    project_id: UUID
    trace_id: UUID
    parent_span_id: UUID | None = None
    name: str | None = None
    type: str | None = None
    start_time: str
    end_time: str | None = None
    input: msgspec.Raw | None = None
    output: msgspec.Raw | None = None
    metadata: msgspec.Raw | None = None
    model: str | None = None
    provider: str | None = None
    tags: list[str] = []
    usage: dict[str, int] = {}
    error_info: msgspec.Raw | None = None
    created_at: str
    last_updated_at: str
    created_by: str
    last_updated_by: str
    feedback_scores: list[Score] = []
    comments: list[Comment] = []
    total_estimated_cost: Decimal | None = None
    total_estimated_cost_version: str | None = None
    duration: float | None = None
    ttft: float | None = None
    source: str | None = None
    environment: str | None = None


class Thread(Row, kw_only=True):
    """A conversation: `number_of_messages` is two for each trace, `duration` is milliseconds."""

    id: str
    project_id: UUID
    thread_model_id: UUID
    start_time: str | None = None
    end_time: str | None = None
    duration: float | None = None
    first_message: msgspec.Raw | None = None
    last_message: msgspec.Raw | None = None
    feedback_scores: list[Score] = []
    status: str
    number_of_messages: int
    total_estimated_cost: Decimal | None = None
    usage: dict[str, int] = {}
    created_at: str
    last_updated_at: str
    created_by: str
    last_updated_by: str
    comments: list[Comment] = []
    tags: list[str] = []
    source: str | None = None
    environment: str | None = None


class Project(Row, kw_only=True):
    """A project as it is listed."""

    id: UUID
    name: str
    created_at: str
    last_updated_at: str
    created_by: str
    last_updated_by: str
    last_updated_trace_at: str | None = None


class PageOf(msgspec.Struct, kw_only=True, rename={"sortable_by": "sortableBy"}):
    """A page: `size` is the number of rows in it, `total` that of all pages."""

    page: int
    size: int
    total: int
    content: list[Any]
    sortable_by: list[str]


def encode(content: object) -> bytes:
    """Return `content` as JSON; decimals become numbers."""
    return _ENCODER.encode(content)


def lines(content: Sequence[object]) -> bytes:
    """Return each of `content` as one line of a stream."""
    return _ENCODER.encode_lines(content)


def raw(text: str | None) -> msgspec.Raw | None:
    """Return stored JSON text as what is spliced in, or None where there is none.

    The text is walked through, not decoded: numbers of any size stay as they are. What is no JSON, or nested beyond all
    walking (of a producer that writes to Kafka itself), becomes a string, so that it cannot break the answer around it.
    """
    if not text:
        return None
    octets = text.encode()
    try:
        return _WALKER.decode(octets)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.Raw(_ENCODER.encode(text))


def short(value: Decimal) -> Decimal:
    """Return `value` without the zeros that its column pads it with."""
    plain = value.normalize()
    exponent = plain.as_tuple().exponent
    return plain.quantize(_WHOLE) if isinstance(exponent, int) and exponent > 0 else plain


def cost_of(value: Decimal | None) -> Decimal | None:
    """Return a cost, or None where it is unknown or nothing."""
    return short(value) if value else None


def duration_ms(start_us: int | None, end_us: int | None) -> float | None:
    """Return milliseconds with three decimals, or None where an end is missing."""
    return None if start_us is None or end_us is None else (end_us - start_us) / 1000
