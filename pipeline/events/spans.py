"""A span was created, patched or deleted; it is folded like a trace."""

from decimal import Decimal
from typing import Literal
from uuid import UUID

from msgspec import field

from pipeline.events.costs import Rates
from pipeline.events.envelope import Event, Record, record_of
from pipeline.events.traces import JsonText


class SpanEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What one request said of a span. Times are microseconds since 1970 UTC; ttft is milliseconds.

    `usage` maps a name such as `total_tokens` to a count. `rates` are what the model that this event names costs
    (`pipeline.events.costs`), of the price list `rates_version`: from the newest of them and the newest usage the cost
    is computed where no event says it. `trace_id` is always known: it is the key of the topic.
    """

    id: UUID
    trace_id: UUID
    event: Literal["create", "patch", "delete"]
    parent_span_id: UUID | None = None
    project_id: UUID | None = None
    project_name: str | None = None
    name: str | None = None
    type: str | None = None
    start_time_us: int | None = None
    end_time_us: int | None = None
    input: JsonText | None = None
    output: JsonText | None = None
    metadata: JsonText | None = None
    tags_reset: bool = False
    tags_added: tuple[str, ...] = ()
    tags_removed: tuple[str, ...] = ()
    error_info: JsonText | None = None
    model: str | None = None
    provider: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    rates: Rates = field(default_factory=dict)
    rates_version: str | None = None
    total_estimated_cost: Decimal | None = None
    total_estimated_cost_version: str | None = None
    ttft: float | None = None
    source: str | None = None
    environment: str | None = None

    def record(self) -> Record:
        """Return the record for the topic `spans`."""
        return record_of(self, "span", str(self.trace_id).encode())
