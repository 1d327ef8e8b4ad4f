"""What traces and spans have in common: they are created whole, and changed by patches of some of their fields."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec
import uuid_utils.compat as uuids
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import Response

from pipeline.events.envelope import Record
from pipeline.gateway.intake import Intake, id_in_path
from pipeline.gateway.opik.batch import Items, decoded
from pipeline.gateway.opik.values import Moment, Reception, distinct, json_text, microseconds
from pipeline.topics import Topic

NOTHING: Final = Raw()
IDS: Final = Items("ids", UUID)

CreateT = TypeVar("CreateT")
UpdateT = TypeVar("UpdateT")
ReadT_co = TypeVar("ReadT_co", covariant=True)
ShapedT_contra = TypeVar("ShapedT_contra", contravariant=True)


class EntityFields(msgspec.Struct, kw_only=True, gc=False):
    """What a whole trace or span, and a patch of one, may say alike."""

    project_name: str | None = None
    project_id: UUID | None = None
    name: str | None = None
    end_time: Moment | None = None
    input: Raw = NOTHING
    output: Raw = NOTHING
    metadata: Raw = NOTHING
    tags: list[str] | None = None
    error_info: Raw = NOTHING
    ttft: float | None = None
    source: str | None = None
    environment: str | None = None


class Whole(Protocol):
    """What only a whole one says: its id, if it has one, and its times."""

    id: UUID | None
    start_time: Moment
    last_updated_at: Moment | None
    tags: list[str] | None


class Patch(Protocol):
    """What only a patch says: which tags to add and to remove."""

    tags: list[str] | None
    tags_to_add: list[str] | None
    tags_to_remove: list[str] | None


class Updates(Protocol[ReadT_co]):
    """One update of the many that `ids` names."""

    @property
    def update(self) -> ReadT_co:
        """What is said of each."""

    @property
    def merge_tags(self) -> bool | None:
        """Whether its tags are added to those that are there."""


class Event(Protocol):
    """The event of a trace or a span."""

    @property
    def id(self) -> UUID:
        """Whose event it is."""

    def record(self) -> Record:
        """Return what is published."""


def said(body: EntityFields, reception: Reception) -> dict[str, Any]:
    """Return the fields of an event that a body of either kind says."""
    project, project_name = reception.project(body.project_name, body.project_id)
    return {
        "project_id": project,
        "project_name": project_name,
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


def creation(body: Whole, reception: Reception, received_at_us: int) -> dict[str, Any]:
    """Return the fields of the event of a whole one; its version is last_updated_at, else its receipt."""
    version_us = microseconds(body.last_updated_at, "last_updated_at")
    return {
        "event": "create",
        "workspace": reception.workspace,
        "version_us": received_at_us if version_us is None else version_us,
        "received_at_us": received_at_us,
        "id": uuids.uuid7() if body.id is None else body.id,
        "start_time_us": microseconds(body.start_time, "start_time"),
        "tags_reset": body.tags is not None,
        "tags_added": distinct(body.tags),
    }


def change(
    entity_id: UUID, body: Patch, reception: Reception, received_at_us: int, *, merge_tags: bool
) -> dict[str, Any]:
    """Return the fields of the event of a PATCH, which has no time of its own: its version is its receipt.

    With `merge_tags` its tags are added to those that are there.
    """
    return {
        "event": "patch",
        "workspace": reception.workspace,
        "version_us": received_at_us,
        "received_at_us": received_at_us,
        "id": entity_id,
        "tags_reset": body.tags is not None and not merge_tags,
        "tags_added": distinct([*(body.tags or ()), *(body.tags_to_add or ())]),
        "tags_removed": distinct(body.tags_to_remove),
    }


class Patched(Protocol[ShapedT_contra]):
    """Shapes the event of a PATCH."""

    def __call__(
        self, entity_id: UUID, body: ShapedT_contra, reception: Reception, *, merge_tags: bool = False
    ) -> Event:
        """Return the event."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[CreateT, UpdateT]):
    """What differs between traces and spans: where they go, how bodies are read and shaped."""

    topic: Topic
    creates: Items[CreateT]
    create: msgspec.json.Decoder[CreateT]
    update: msgspec.json.Decoder[UpdateT]
    updates: msgspec.json.Decoder[Any]
    created: Callable[[CreateT, Reception], Event]
    patched: Patched[UpdateT]


class Entities(Generic[CreateT, UpdateT]):
    """The routes that take one kind."""

    def __init__(self, intake: Intake, kind: Kind[CreateT, UpdateT]) -> None:
        self._intake: Final = intake
        self._kind: Final = kind

    async def create_batch(self, request: Request) -> Response:
        """Take many that are whole; what cannot be used is set aside."""
        kind = self._kind
        async with self._intake.open(request) as (body, reception):

            def shape(item: CreateT) -> Record:
                return kind.created(item, reception).record()

            return await self._intake.take(kind.creates, body, shape, kind.topic, reception)

    async def create(self, request: Request) -> Response:
        """Take one that is whole."""
        async with self._intake.open(request) as (body, reception):
            event = self._kind.created(decoded(self._kind.create, body), reception)
            await self._intake.store(self._kind.topic, event.record())
        return Response(status_code=201, headers={"Location": f"{request.url.path}/{event.id}"})

    async def update(self, request: Request) -> Response:
        """Change one."""
        async with self._intake.open(request) as (body, reception):
            event = self._kind.patched(id_in_path(request), decoded(self._kind.update, body), reception)
            await self._intake.store(self._kind.topic, event.record())
        return Response(status_code=204)

    async def update_batch(self, request: Request) -> Response:
        """Change many alike."""
        kind = self._kind
        async with self._intake.open(request) as (body, reception):
            updates: Updates[UpdateT] = decoded(kind.updates, body)

            def shape(entity_id: UUID) -> Record:
                return kind.patched(entity_id, updates.update, reception, merge_tags=bool(updates.merge_tags)).record()

            return await self._intake.take(IDS, body, shape, kind.topic, reception)
