"""People's remarks: tags, comments and display names.

Tags are kept per tag: the last of added and removed counts, and a reset forgets every tag of an older version. A
comment is (entity, comment_id); its newest text counts, unless it was ever deleted.
"""

from typing import Literal, NamedTuple
from uuid import UUID

from pipeline.events.envelope import Event, Record, record_of


class CommentPlace(NamedTuple):
    """What a comment stands on, and whether it was deleted."""

    entity_id: UUID
    is_deleted: bool


class AnnotationEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What one request said of the tags, of one comment or of the display name of an entity."""

    entity_type: Literal["trace", "span", "thread", "project"]
    entity_id: UUID
    annotation: Literal["tags", "comment", "display_name"]
    event: Literal["set", "delete"]
    tags_reset: bool = False
    tags_added: tuple[str, ...] = ()
    tags_removed: tuple[str, ...] = ()
    comment_id: UUID | None = None
    text: str | None = None
    author: str | None = None

    def record(self) -> Record:
        """Return the record for the topic `annotations`."""
        return record_of(self, "annotation", str(self.entity_id).encode())
