"""Projects: nobody creates them, but people may say how they are shown.

A project is what traces name, and its id is made of that name: so traces go on naming it by its first name, and only
what lists show changes.
"""

from typing import Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pipeline.errors import Unprocessable
from pipeline.events.annotations import AnnotationEvent
from pipeline.gateway.intake import Intake, id_in_path
from pipeline.gateway.opik.batch import decoded
from pipeline.gateway.opik.values import Reception
from pipeline.topics import ANNOTATIONS


class ProjectChange(msgspec.Struct, kw_only=True):
    """What a PATCH of a project says."""

    name: str


_CHANGE: Final = msgspec.json.Decoder(ProjectChange)


def named(project_id: UUID, body: ProjectChange, reception: Reception) -> AnnotationEvent:
    """Return the event of a name to be shown; raises Unprocessable for a blank one, Malformed for one too long."""
    name = reception.key_text(body.name, "name")
    if name is None:
        raise Unprocessable("name must not be blank", field="name")
    received_at_us = reception.clock.now_us()
    return AnnotationEvent(
        workspace=reception.workspace,
        version_us=received_at_us,
        received_at_us=received_at_us,
        entity_type="project",
        entity_id=project_id,
        annotation="display_name",
        event="set",
        text=name.strip(),
    )


class Projects:
    """The route that names projects."""

    def __init__(self, intake: Intake) -> None:
        self._intake: Final = intake

    async def update(self, request: Request) -> Response:
        """PATCH projects/{id}; whether there is such a project is not asked, since its first trace may come later."""
        async with self._intake.open(request) as (body, reception):
            event = named(id_in_path(request), decoded(_CHANGE, body), reception)
            await self._intake.store(ANNOTATIONS, event.record())
        return Response(status_code=204)
