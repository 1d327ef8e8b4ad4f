"""Spans: Opik's bodies to events, and the routes that take them."""

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
import uuid_utils.compat as uuids
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import Response

from pipeline.events.envelope import Record
from pipeline.events.spans import SpanEvent
from pipeline.gateway.intake import Intake, id_in_path
from pipeline.gateway.opik.batch import Items, decoded
from pipeline.gateway.opik.values import Moment, Reception, counts, decimal, distinct, json_text, microseconds
from pipeline.gateway.prices import SENDER, rated
from pipeline.topics import SPANS

NOTHING: Final = Raw()


class SpanFields(msgspec.Struct, kw_only=True, gc=False):
    """What both a new span and a patch say; the trace is named by both."""

    trace_id: UUID
    parent_span_id: UUID | None = None
    project_name: str | None = None
    project_id: UUID | None = None
    name: str | None = None
    type: str | None = None
    end_time: Moment | None = None
    input: Raw = NOTHING
    output: Raw = NOTHING
    metadata: Raw = NOTHING
    tags: list[str] | None = None
    error_info: Raw = NOTHING
    model: str | None = None
    provider: str | None = None
    usage: Raw = NOTHING
    total_estimated_cost: Decimal | None = None
    total_estimated_cost_version: str | None = None
    ttft: float | None = None
    source: str | None = None
    environment: str | None = None


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


_CREATES: Final = Items("spans", SpanCreate)
_IDS: Final = Items("ids", UUID)
_CREATE: Final = msgspec.json.Decoder(SpanCreate)
_UPDATE: Final = msgspec.json.Decoder(SpanUpdate)
_UPDATES: Final = msgspec.json.Decoder(SpanUpdates)


def created(body: SpanCreate, reception: Reception) -> SpanEvent:
    """Return the event of a span that was sent whole; its version is last_updated_at, else its receipt."""
    received_at_us = reception.clock.now_us()
    version_us = microseconds(body.last_updated_at, "last_updated_at")
    return SpanEvent(
        event="create",
        workspace=reception.workspace,
        version_us=received_at_us if version_us is None else version_us,
        received_at_us=received_at_us,
        id=uuids.uuid7() if body.id is None else body.id,
        start_time_us=microseconds(body.start_time, "start_time"),
        tags_reset=body.tags is not None,
        tags_added=distinct(body.tags),
        **_said(body, reception, microseconds(body.start_time, "start_time") or received_at_us),
    )


def patched(span_id: UUID, body: SpanUpdate, reception: Reception, *, merge_tags: bool = False) -> SpanEvent:
    """Return the event of a PATCH; with `merge_tags` its tags are added to those that are there."""
    received_at_us = reception.clock.now_us()
    return SpanEvent(
        event="patch",
        workspace=reception.workspace,
        version_us=received_at_us,
        received_at_us=received_at_us,
        id=span_id,
        tags_reset=body.tags is not None and not merge_tags,
        tags_added=distinct([*(body.tags or ()), *(body.tags_to_add or ())]),
        tags_removed=distinct(body.tags_to_remove),
        **_said(body, reception, received_at_us),
    )


def _said(body: SpanFields, reception: Reception, at_us: int) -> dict[str, Any]:
    project, project_name = reception.project(body.project_name, body.project_id)
    given = decimal(body.total_estimated_cost, "total_estimated_cost")
    rates, rates_version = rated(body.model, body.provider, at_us, given=given)
    version = body.total_estimated_cost_version
    return {
        "trace_id": body.trace_id,
        "parent_span_id": body.parent_span_id,
        "project_id": project,
        "project_name": project_name,
        "name": body.name,
        "type": body.type,
        "end_time_us": microseconds(body.end_time, "end_time"),
        "input": json_text(body.input),
        "output": json_text(body.output),
        "metadata": json_text(body.metadata),
        "error_info": json_text(body.error_info),
        "model": body.model,
        "provider": body.provider,
        "usage": counts(body.usage),
        "rates": rates,
        "rates_version": rates_version,
        "total_estimated_cost": given,
        "total_estimated_cost_version": SENDER if given is not None and version is None else version,
        "ttft": body.ttft,
        "source": body.source,
        "environment": body.environment,
    }


class Spans:
    """The routes that take spans."""

    def __init__(self, intake: Intake) -> None:
        self._intake: Final = intake

    async def create_batch(self, request: Request) -> Response:
        """POST spans/batch."""
        async with self._intake.open(request) as (body, reception):

            def shape(item: SpanCreate) -> Record:
                return created(item, reception).record()

            return await self._intake.take(_CREATES, body, shape, SPANS, reception)

    async def create(self, request: Request) -> Response:
        """POST spans."""
        async with self._intake.open(request) as (body, reception):
            event = created(decoded(_CREATE, body), reception)
            await self._intake.store(SPANS, event.record())
        return Response(status_code=201, headers={"Location": f"{request.url.path}/{event.id}"})

    async def update(self, request: Request) -> Response:
        """PATCH spans/{id}."""
        async with self._intake.open(request) as (body, reception):
            event = patched(id_in_path(request), decoded(_UPDATE, body), reception)
            await self._intake.store(SPANS, event.record())
        return Response(status_code=204)

    async def update_batch(self, request: Request) -> Response:
        """PATCH spans/batch."""
        async with self._intake.open(request) as (body, reception):
            updates = decoded(_UPDATES, body)

            def shape(span_id: UUID) -> Record:
                return patched(span_id, updates.update, reception, merge_tags=bool(updates.merge_tags)).record()

            return await self._intake.take(_IDS, body, shape, SPANS, reception)
