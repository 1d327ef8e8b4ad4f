"""Tags of threads, and comments on traces, spans and threads: Opik's bodies to events, and the routes that take them.

A comment names what it stands on when it is made; whether that exists is not asked, since a comment may come before it.
Who changes or deletes a comment names only the comment, so storage is asked where it stands. The deletion of a comment
is final.
"""

from typing import Final
from uuid import UUID

import msgspec
import uuid_utils.compat as uuids
from starlette.requests import Request
from starlette.responses import Response

from pipeline.adapters.telemetry.metrics import GATEWAY_COMMENTS_UNKNOWN
from pipeline.errors import Unknown, Unprocessable
from pipeline.events.annotations import AnnotationEvent
from pipeline.events.envelope import Record
from pipeline.events.scores import EntityType
from pipeline.gateway.intake import Intake, id_in_path
from pipeline.gateway.lookup import Lookup
from pipeline.gateway.opik.batch import Items, Taken, decoded
from pipeline.gateway.opik.values import Reception, distinct
from pipeline.topics import ANNOTATIONS


class TagsUpdate(msgspec.Struct, kw_only=True):
    """What a PATCH of a thread says: `tags` stands for all of them, the others add and remove."""

    tags: list[str] | None = None
    tags_to_add: list[str] | None = None
    tags_to_remove: list[str] | None = None


class TagsUpdates(msgspec.Struct, kw_only=True):
    """One update of the many threads that `ids` names."""

    update: TagsUpdate
    merge_tags: bool | None = None


class CommentText(msgspec.Struct, kw_only=True):
    """What a comment says."""

    text: str


class CommentIds(msgspec.Struct, kw_only=True):
    """Comments to be deleted."""

    ids: list[UUID]


_IDS: Final = Items("ids", UUID)
_UPDATE: Final = msgspec.json.Decoder(TagsUpdate)
_UPDATES: Final = msgspec.json.Decoder(TagsUpdates)
_COMMENT_IDS: Final = msgspec.json.Decoder(CommentIds)
_TEXT: Final = msgspec.json.Decoder(CommentText)


def tagged(model_id: UUID, body: TagsUpdate, reception: Reception, *, merge_tags: bool = False) -> AnnotationEvent:
    """Return the event of new tags of a thread; with `merge_tags` they are added to those that are there."""
    received_at_us = reception.clock.now_us()
    return AnnotationEvent(
        workspace=reception.workspace,
        version_us=received_at_us,
        received_at_us=received_at_us,
        entity_type="thread",
        entity_id=model_id,
        annotation="tags",
        event="set",
        tags_reset=body.tags is not None and not merge_tags,
        tags_added=distinct([*(body.tags or ()), *(body.tags_to_add or ())]),
        tags_removed=distinct(body.tags_to_remove),
    )


def commented(
    entity_type: EntityType, entity_id: UUID, comment_id: UUID, text: str | None, reception: Reception
) -> AnnotationEvent:
    """Return the event of a comment with that text, or of its deletion where `text` is None."""
    received_at_us = reception.clock.now_us()
    return AnnotationEvent(
        workspace=reception.workspace,
        version_us=received_at_us,
        received_at_us=received_at_us,
        entity_type=entity_type,
        entity_id=entity_id,
        annotation="comment",
        event="delete" if text is None else "set",
        comment_id=comment_id,
        text=text,
    )


class Tags:
    """The routes that take tags of threads."""

    def __init__(self, intake: Intake, lookup: Lookup) -> None:
        self._intake: Final = intake
        self._lookup: Final = lookup

    async def update(self, request: Request) -> Response:
        """PATCH traces/threads/{id}, by model id; 404 where storage can tell that there is no such thread."""
        async with self._intake.open(request) as (body, reception):
            event = tagged(id_in_path(request), decoded(_UPDATE, body), reception)
            await self._lookup.require_thread_model(reception.workspace, event.entity_id)
            await self._intake.store(ANNOTATIONS, event.record())
        return Response(status_code=204)

    async def update_batch(self, request: Request) -> Response:
        """PATCH traces/threads/batch; whether the threads exist is not asked, as Opik does not."""
        async with self._intake.open(request) as (body, reception):
            updates = decoded(_UPDATES, body)

            def shape(model_id: UUID) -> Record:
                return tagged(model_id, updates.update, reception, merge_tags=bool(updates.merge_tags)).record()

            return await self._intake.take(_IDS, body, shape, ANNOTATIONS, reception)


class Comments:
    """The routes that take comments on one type of entity."""

    def __init__(self, intake: Intake, lookup: Lookup, entity_type: EntityType) -> None:
        self._intake: Final = intake
        self._lookup: Final = lookup
        self._entity_type: Final[EntityType] = entity_type

    async def create(self, request: Request) -> Response:
        """POST {id}/comments of traces, spans and threads (by model id); the comment's id is made here."""
        comment_id = uuids.uuid7()
        async with self._intake.open(request) as (body, reception):
            text = _text_of(body)
            event = commented(self._entity_type, id_in_path(request), comment_id, text, reception)
            await self._intake.store(ANNOTATIONS, event.record())
        return Response(status_code=201, headers={"Location": f"{request.url.path}/{comment_id}"})

    async def update(self, request: Request) -> Response:
        """PATCH comments/{id}; 404 where storage knows no such comment for a while, or it was deleted."""
        async with self._intake.open(request) as (body, reception):
            comment_id, text = id_in_path(request), _text_of(body)
            places = await self._lookup.comment_places(reception.workspace, self._entity_type, [comment_id])
            place = places.get(comment_id)
            if place is None or place.is_deleted:
                raise Unknown(f"Comment not found: {comment_id}")
            event = commented(self._entity_type, place.entity_id, comment_id, text, reception)
            await self._intake.store(ANNOTATIONS, event.record())
        return Response(status_code=204)

    async def delete_batch(self, request: Request) -> Response:
        """POST comments/delete; 204 also where storage knows no such comment for a while, as Opik; they are counted."""
        async with self._intake.open(request) as (body, reception):
            wanted = self._ids_of(body)
            places = await self._lookup.comment_places(reception.workspace, self._entity_type, wanted)
            GATEWAY_COMMENTS_UNKNOWN.inc(len(wanted) - len(places))
            events = [
                commented(self._entity_type, place.entity_id, comment_id, None, reception)
                for comment_id, place in places.items()
                if not place.is_deleted
            ]
            return await self._intake.accept(Taken([event.record() for event in events]), ANNOTATIONS, reception)

    def _ids_of(self, body: bytes) -> list[UUID]:
        ids = list(dict.fromkeys(decoded(_COMMENT_IDS, body).ids))
        items_max = self._intake.settings.batch_items_max
        if not 0 < len(ids) <= items_max:
            raise Unprocessable(f"ids must have 1 to {items_max} items, not {len(ids)}", field="ids")
        return ids


def _text_of(body: bytes) -> str:
    text = decoded(_TEXT, body).text
    if not text.strip():
        raise Unprocessable("text must not be blank", field="text")
    return text
