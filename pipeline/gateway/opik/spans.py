"""Spans: Opik's bodies to events, and the routes that take them."""

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Raw

from pipeline.events.spans import SpanEvent
from pipeline.gateway.intake import Intake
from pipeline.gateway.opik.batch import Items
from pipeline.gateway.opik.entities import NOTHING, Entities, EntityFields, Kind, change, creation, said
from pipeline.gateway.opik.values import Moment, Reception, counts, decimal
from pipeline.gateway.prices import SENDER, rated
from pipeline.topics import SPANS


class SpanFields(EntityFields, kw_only=True, gc=False):
    """What both a new span and a patch say; the trace is named by both."""

    trace_id: UUID
    parent_span_id: UUID | None = None
    type: str | None = None
    model: str | None = None
    provider: str | None = None
    usage: Raw = NOTHING
    total_estimated_cost: Decimal | None = None
    total_estimated_cost_version: str | None = None


class SpanCreate(SpanFields, kw_only=True, gc=False):
    """A whole span, in a batch or alone. Without an id it gets one, as Opik does."""

    id: UUID | None = None
    start_time: Moment
    last_updated_at: Moment | None = None


class SpanUpdate(SpanFields, kw_only=True, gc=False):
    """What a PATCH says; it carries no time of its own, so its version is its receipt."""

    tags_to_add: list[str] | None = None
    tags_to_remove: list[str] | None = None


class SpanUpdates(msgspec.Struct, kw_only=True):
    """One update of the many spans that `ids` names."""

    update: SpanUpdate
    merge_tags: bool | None = None


def created(body: SpanCreate, reception: Reception) -> SpanEvent:
    """Return the event of a span that was sent whole; its version is last_updated_at, else its receipt."""
    received_at_us = reception.clock.now_us()
    whole = creation(body, reception, received_at_us)
    return SpanEvent(**whole, **_said(body, reception, whole["start_time_us"] or received_at_us))


def patched(entity_id: UUID, body: SpanUpdate, reception: Reception, *, merge_tags: bool = False) -> SpanEvent:
    """Return the event of a PATCH; with `merge_tags` its tags are added to those that are there."""
    received_at_us = reception.clock.now_us()
    changed = change(entity_id, body, reception, received_at_us, merge_tags=merge_tags)
    return SpanEvent(**changed, **_said(body, reception, received_at_us))


def _said(body: SpanFields, reception: Reception, at_us: int) -> dict[str, Any]:
    given = decimal(body.total_estimated_cost, "total_estimated_cost")
    rates, rates_version = rated(body.model, body.provider, at_us, given=given)
    version = body.total_estimated_cost_version
    return said(body, reception) | {
        "trace_id": body.trace_id,
        "parent_span_id": body.parent_span_id,
        "type": body.type,
        "model": body.model,
        "provider": body.provider,
        "usage": counts(body.usage),
        "rates": rates,
        "rates_version": rates_version,
        "total_estimated_cost": given,
        "total_estimated_cost_version": SENDER if given is not None and version is None else version,
    }


_KIND: Final = Kind(
    topic=SPANS,
    creates=Items("spans", SpanCreate),
    create=msgspec.json.Decoder(SpanCreate),
    update=msgspec.json.Decoder(SpanUpdate),
    updates=msgspec.json.Decoder(SpanUpdates),
    created=created,
    patched=patched,
)


class Spans(Entities[SpanCreate, SpanUpdate]):
    """The routes that take spans."""

    def __init__(self, intake: Intake) -> None:
        super().__init__(intake, _KIND)
