"""Traces: Opik's bodies to events, and the routes that take them."""

from typing import Any, Final
from uuid import UUID

import msgspec
import uuid_utils.compat as uuids
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import Response

from pipeline.events.envelope import Record
from pipeline.events.traces import TraceEvent
from pipeline.gateway.intake import Intake, id_in_path
from pipeline.gateway.opik.batch import Items, decoded
from pipeline.gateway.opik.values import Moment, Reception, distinct, json_text, microseconds
from pipeline.topics import TRACES

NOTHING: Final = Raw()


class TraceFields(msgspec.Struct, kw_only=True, gc=False):
    """What both a new trace and a patch may say."""

    project_name: str | None = None
    project_id: UUID | None = None
    name: str | None = None
    end_time: Moment | None = None
    input: Raw = NOTHING
    output: Raw = NOTHING
    metadata: Raw = NOTHING
    tags: list[str] | None = None
    error_info: Raw = NOTHING
    thread_id: str | None = None
    ttft: float | None = None
    source: str | None = None
    environment: str | None = None


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


_CREATES: Final = Items("traces", TraceCreate)
_IDS: Final = Items("ids", UUID)
_CREATE: Final = msgspec.json.Decoder(TraceCreate)
_UPDATE: Final = msgspec.json.Decoder(TraceUpdate)
_UPDATES: Final = msgspec.json.Decoder(TraceUpdates)


def created(body: TraceCreate, reception: Reception) -> TraceEvent:
    """Return the event of a trace that was sent whole; its version is last_updated_at, else its receipt."""
    received_at_us = reception.clock.now_us()
    version_us = microseconds(body.last_updated_at, "last_updated_at")
    return TraceEvent(
        event="create",
        workspace=reception.workspace,
        version_us=received_at_us if version_us is None else version_us,
        received_at_us=received_at_us,
        id=uuids.uuid7() if body.id is None else body.id,
        start_time_us=microseconds(body.start_time, "start_time"),
        tags_reset=body.tags is not None,
        tags_added=distinct(body.tags),
        **_said(body, reception),
    )


def patched(trace_id: UUID, body: TraceUpdate, reception: Reception, *, merge_tags: bool = False) -> TraceEvent:
    """Return the event of a PATCH; with `merge_tags` its tags are added to those that are there."""
    received_at_us = reception.clock.now_us()
    return TraceEvent(
        event="patch",
        workspace=reception.workspace,
        version_us=received_at_us,
        received_at_us=received_at_us,
        id=trace_id,
        tags_reset=body.tags is not None and not merge_tags,
        tags_added=distinct([*(body.tags or ()), *(body.tags_to_add or ())]),
        tags_removed=distinct(body.tags_to_remove),
        **_said(body, reception),
    )


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
    project, project_name = reception.project(body.project_name, body.project_id)
    return {
        "project_id": project,
        "project_name": project_name,
        "thread_id": reception.key_text(body.thread_id, "thread_id"),
        "name": body.name,
        "end_time_us": microseconds(body.end_time, "end_time"),
        "input": json_text(body.input),
        "output": json_text(body.output),
        "metadata": json_text(body.metadata),
        "error_info": json_text(body.error_info),
        "ttft": body.ttft,
        "source": body.source,
        "environment": body.environment,
    }


class Traces:
    """The routes that take traces."""

    def __init__(self, intake: Intake) -> None:
        self._intake: Final = intake

    async def create_batch(self, request: Request) -> Response:
        """POST traces/batch."""
        async with self._intake.open(request) as (body, reception):

            def shape(item: TraceCreate) -> Record:
                return created(item, reception).record()

            return await self._intake.take(_CREATES, body, shape, TRACES, reception)

    async def create(self, request: Request) -> Response:
        """POST traces."""
        async with self._intake.open(request) as (body, reception):
            event = created(decoded(_CREATE, body), reception)
            await self._intake.store(TRACES, event.record())
        return Response(status_code=201, headers={"Location": f"{request.url.path}/{event.id}"})

    async def update(self, request: Request) -> Response:
        """PATCH traces/{id}."""
        async with self._intake.open(request) as (body, reception):
            event = patched(id_in_path(request), decoded(_UPDATE, body), reception)
            await self._intake.store(TRACES, event.record())
        return Response(status_code=204)

    async def update_batch(self, request: Request) -> Response:
        """PATCH traces/batch."""
        async with self._intake.open(request) as (body, reception):
            updates = decoded(_UPDATES, body)

            def shape(trace_id: UUID) -> Record:
                return patched(trace_id, updates.update, reception, merge_tags=bool(updates.merge_tags)).record()

            return await self._intake.take(_IDS, body, shape, TRACES, reception)

    async def delete(self, request: Request) -> Response:
        """DELETE traces/{id}."""
        reception = self._intake.reception(request)
        await self._intake.store(TRACES, deleted(id_in_path(request), reception).record())
        return Response(status_code=204)

    async def delete_batch(self, request: Request) -> Response:
        """POST traces/delete."""
        async with self._intake.open(request) as (body, reception):

            def shape(trace_id: UUID) -> Record:
                return deleted(trace_id, reception).record()

            return await self._intake.take(_IDS, body, shape, TRACES, reception)
