"""Traces: Opik's bodies to events, and the routes that take them."""

from typing import Any, Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pipeline.events.envelope import Record
from pipeline.events.traces import TraceEvent
from pipeline.gateway.intake import Intake, id_in_path
from pipeline.gateway.opik.batch import Items
from pipeline.gateway.opik.entities import IDS, Entities, EntityFields, Kind, change, creation, said
from pipeline.gateway.opik.values import Moment, Reception
from pipeline.topics import TRACES


class TraceFields(EntityFields, kw_only=True, gc=False):
    """What both a new trace and a patch may say."""

    thread_id: str | None = None


class TraceCreate(TraceFields, kw_only=True, gc=False):
    """A whole trace, in a batch or alone. Without an id it gets one, as Opik does."""

    id: UUID | None = None
    start_time: Moment
    last_updated_at: Moment | None = None


class TraceUpdate(TraceFields, kw_only=True, gc=False):
    """What a PATCH says; it carries no time of its own, so its version is its receipt."""

    tags_to_add: list[str] | None = None
    tags_to_remove: list[str] | None = None


class TraceUpdates(msgspec.Struct, kw_only=True):
    """One update of the many traces that `ids` names."""

    update: TraceUpdate
    merge_tags: bool | None = None


def created(body: TraceCreate, reception: Reception) -> TraceEvent:
    """Return the event of a trace that was sent whole; its version is last_updated_at, else its receipt."""
    return TraceEvent(**creation(body, reception, reception.clock.now_us()), **_said(body, reception))


def patched(entity_id: UUID, body: TraceUpdate, reception: Reception, *, merge_tags: bool = False) -> TraceEvent:
    """Return the event of a PATCH; with `merge_tags` its tags are added to those that are there."""
    changed = change(entity_id, body, reception, reception.clock.now_us(), merge_tags=merge_tags)
    return TraceEvent(**changed, **_said(body, reception))


def deleted(trace_id: UUID, reception: Reception) -> TraceEvent:
    """Return the tombstone of a trace."""
    received_at_us = reception.clock.now_us()
    return TraceEvent(
        event="delete",
        workspace=reception.workspace,
        version_us=received_at_us,
        received_at_us=received_at_us,
        id=trace_id,
    )


def _said(body: TraceFields, reception: Reception) -> dict[str, Any]:
    fields = said(body, reception)
    fields["thread_id"] = reception.key_text(body.thread_id, "thread_id")
    return fields


_KIND: Final = Kind(
    topic=TRACES,
    creates=Items("traces", TraceCreate),
    create=msgspec.json.Decoder(TraceCreate),
    update=msgspec.json.Decoder(TraceUpdate),
    updates=msgspec.json.Decoder(TraceUpdates),
    created=created,
    patched=patched,
)


class Traces(Entities[TraceCreate, TraceUpdate]):
    """The routes that take traces."""

    def __init__(self, intake: Intake) -> None:
        super().__init__(intake, _KIND)

    async def delete(self, request: Request) -> Response:
        """Delete one."""
        reception = self._intake.reception(request)
        await self._intake.store(TRACES, deleted(id_in_path(request), reception).record())
        return Response(status_code=204)

    async def delete_batch(self, request: Request) -> Response:
        """Delete many."""
        async with self._intake.open(request) as (body, reception):

            def shape(trace_id: UUID) -> Record:
                return deleted(trace_id, reception).record()

            return await self._intake.take(IDS, body, shape, TRACES, reception)
