"""Scores of traces and spans: Opik's bodies to events, and the routes that take them.

Whether the trace or span exists is not asked: scores may come before it. Scores of threads are commands, in threads.py.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pipeline.errors import Malformed, Unprocessable
from pipeline.events.envelope import Record
from pipeline.events.scores import EntityType, ScoreEvent, ScoreSource
from pipeline.gateway.intake import Intake, id_in_path
from pipeline.gateway.opik.batch import Items, Taken, decoded
from pipeline.gateway.opik.values import Reception, decimal
from pipeline.topics import SCORES

ERRORS_SHOWN_MAX: Final = 20


class ScoreFields(msgspec.Struct, kw_only=True, gc=False):
    """What every score says."""

    name: str
    value: Decimal
    source: ScoreSource
    project_name: str | None = None
    project_id: UUID | None = None
    category_name: str | None = None
    reason: str | None = None
    author: str | None = None
    source_queue_id: str | None = None


class EntityScore(ScoreFields, kw_only=True, gc=False):
    """A score in a batch: it names its trace or span."""

    id: UUID


class Unscore(msgspec.Struct, kw_only=True):
    """A score to be deleted; without `author`, what every author gave."""

    name: str
    author: str | None = None


_SCORES: Final = Items("scores", EntityScore)
_SCORE: Final = msgspec.json.Decoder(ScoreFields)
_UNSCORE: Final = msgspec.json.Decoder(Unscore)


def name_of(text: str) -> str:
    """Return the name of a score; raises Malformed where it is blank."""
    if not text.strip():
        raise Malformed("name must not be blank", field="name")
    return text


def author_of(text: str | None) -> str | None:
    """Return the author of a score, None where the name is blank."""
    return text if text and text.strip() else None


def score_values(body: ScoreFields) -> dict[str, Any]:
    """Return what a score says beside its entity and project; raises Malformed for a faulty name or value."""
    return {
        "event": "set",
        "name": name_of(body.name),
        "value": decimal(body.value, "value"),
        "source": body.source,
        "category_name": body.category_name,
        "reason": body.reason,
        "author": author_of(body.author),
        "source_queue_id": body.source_queue_id,
    }


def scored(entity_type: EntityType, entity_id: UUID, body: ScoreFields, reception: Reception) -> ScoreEvent:
    """Return the event of a score of a trace or span."""
    received_at_us = reception.clock.now_us()
    project, project_name = reception.project(body.project_name, body.project_id)
    return ScoreEvent(
        workspace=reception.workspace,
        version_us=received_at_us,
        received_at_us=received_at_us,
        entity_type=entity_type,
        entity_id=entity_id,
        project_id=project,
        project_name=project_name,
        **score_values(body),
    )


def unscored(entity_type: EntityType, entity_id: UUID, body: Unscore, reception: Reception) -> ScoreEvent:
    """Return the event of the deletion of a score of a trace or span."""
    received_at_us = reception.clock.now_us()
    return ScoreEvent(
        workspace=reception.workspace,
        version_us=received_at_us,
        received_at_us=received_at_us,
        entity_type=entity_type,
        entity_id=entity_id,
        event="delete",
        name=name_of(body.name),
        author=author_of(body.author),
    )


def require_any(taken: Taken) -> Taken:
    """Return `taken`; raises Unprocessable where no score of the request can be used."""
    if taken.records:
        return taken
    reasons = [f"scores[{place}]: {refusal.fault.reason}" for place, refusal in enumerate(taken.refusals)]
    raise Unprocessable("; ".join(reasons[:ERRORS_SHOWN_MAX]), field="scores")


class Scores:
    """The routes that take scores of one type of entity."""

    def __init__(self, intake: Intake, entity_type: Literal["trace", "span"]) -> None:
        self._intake: Final = intake
        self._entity_type: Final[Literal["trace", "span"]] = entity_type

    async def set_batch(self, request: Request) -> Response:
        """PUT traces/feedback-scores and spans/feedback-scores."""
        async with self._intake.open(request) as (body, reception):
            taken = self._intake.split(_SCORES, body, self._shape(reception))
            return await self._intake.accept(require_any(taken), SCORES, reception)

    async def set(self, request: Request) -> Response:
        """PUT traces/{id}/feedback-scores and spans/{id}/feedback-scores."""
        async with self._intake.open(request) as (body, reception):
            event = scored(self._entity_type, id_in_path(request), decoded(_SCORE, body), reception)
            await self._intake.store(SCORES, event.record())
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        """POST traces/{id}/feedback-scores/delete and spans/{id}/feedback-scores/delete."""
        async with self._intake.open(request) as (body, reception):
            event = unscored(self._entity_type, id_in_path(request), decoded(_UNSCORE, body), reception)
            await self._intake.store(SCORES, event.record())
        return Response(status_code=204)

    def _shape(self, reception: Reception) -> Callable[[EntityScore], Record]:
        return lambda item: scored(self._entity_type, item.id, item, reception).record()
