"""Comments on traces, spans and threads."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from pipeline.errors import Unknown
from pipeline.events.annotations import CommentPlace
from pipeline.query.reader import Reader
from pipeline.query.rows import AUTHOR, Comment
from pipeline.query.times import iso

_COMMENTS: Final = """
SELECT
    entity_id, comment_id,
    argMax((ifNull(text, ''), ifNull(author, '')), (version_us, ifNull(text, ''))) AS newest,
    argMin(ifNull(author, ''), (version_us, ifNull(author, ''))) AS first_author,
    min(received_at_us) AS created_us, max(version_us) AS updated_us
FROM annotation_events
WHERE workspace = {workspace:String} AND entity_type = {entity_type:String} AND annotation = 'comment'
  AND toUInt128(entity_id) IN {entities:Array(UInt128)}
GROUP BY entity_id, comment_id
HAVING countIf(event = 'delete') = 0
ORDER BY created_us, comment_id"""

REMARKED: Final = """
    SELECT entity, arraySort(remark -> (remark.6, toUInt128(remark.1)), groupArray(
        (comment_id, newest.1, newest.2, first_author, updated_us, created_us)
    )) AS remarks
    FROM (
        SELECT
            toUInt128(entity_id) AS entity, comment_id,
            argMax((ifNull(text, ''), ifNull(author, '')), (version_us, ifNull(text, ''))) AS newest,
            argMin(ifNull(author, ''), (version_us, ifNull(author, ''))) AS first_author,
            min(received_at_us) AS created_us, max(version_us) AS updated_us
        FROM annotation_events
        WHERE workspace = {workspace:String} AND entity_type = 'thread' AND annotation = 'comment' /* narrow */
        GROUP BY entity, comment_id
        HAVING countIf(event = 'delete') = 0
    )
    GROUP BY entity"""
"""The comments of threads, oldest first: what `remark` takes."""

_PLACES: Final = """
SELECT comment_id, entity_id, countIf(event = 'delete') > 0 AS is_deleted
FROM annotation_events
WHERE workspace = {workspace:String} AND annotation = 'comment' AND comment_id IN {comments:Array(UUID)}
  AND entity_type = {entity_type:String}
GROUP BY comment_id, entity_id"""


class Remark(NamedTuple):
    """A comment, and when it was changed last (microseconds): one older than its thread's deletion went with it."""

    comment: Comment
    updated_us: int


async def comments_of(
    reader: Reader, workspace: str, entity_type: str, ids: Sequence[UUID]
) -> dict[UUID, list[Remark]]:
    """Return the comments by entity, oldest first."""
    if not ids:
        return {}
    entities = [entity.int for entity in ids]
    parameters = {"workspace": workspace, "entity_type": entity_type, "entities": entities}
    found: dict[UUID, list[Remark]] = {}
    for row in await reader.ask(_COMMENTS, parameters):
        text, author = row["newest"]
        given = (row["comment_id"], text, author, row["first_author"], row["updated_us"], row["created_us"])
        found.setdefault(row["entity_id"], []).append(remark(given))
    return found


def remark(given: tuple[UUID, str, str, str, int, int]) -> Remark:
    """Return the remark whose id, text, author, first author, last change and creation (microseconds) are `given`."""
    comment_id, text, author, first_author, updated_us, created_us = given
    return Remark(
        Comment(
            id=comment_id,
            text=text,
            created_at=iso(created_us),
            last_updated_at=iso(updated_us),
            created_by=first_author or AUTHOR,
            last_updated_by=author or AUTHOR,
        ),
        updated_us,
    )


async def comment(reader: Reader, workspace: str, entity_type: str, entity_id: UUID, comment_id: UUID) -> Comment:
    """Return one comment; raises Unknown where there is none of that id on that entity."""
    for remark in (await comments_of(reader, workspace, entity_type, [entity_id])).get(entity_id, []):
        if remark.comment.id == comment_id:
            return remark.comment
    raise Unknown(f"Comment not found: {comment_id}")


async def comment_places(
    reader: Reader, workspace: str, entity_type: str, comment_ids: Sequence[UUID]
) -> dict[UUID, CommentPlace]:
    """Return where comments stand, deleted ones too; those that nothing is known of are not in it."""
    comments = [str(comment_id) for comment_id in comment_ids]
    parameters = {"workspace": workspace, "entity_type": entity_type, "comments": comments}
    rows = await reader.ask(_PLACES, parameters)
    return {row["comment_id"]: CommentPlace(row["entity_id"], bool(row["is_deleted"])) for row in rows}
