"""Comments on traces, spans and threads."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from pipeline.errors import Unknown
from pipeline.query.reader import Reader
from pipeline.query.rows import AUTHOR, Comment
from pipeline.query.times import iso

_COMMENTS: Final = """
SELECT
    entity_id, comment_id,
    argMax((event, ifNull(text, ''), ifNull(author, '')), (version_us, event, ifNull(text, ''))) AS newest,
    argMin(ifNull(author, ''), (version_us, ifNull(author, ''))) AS first_author,
    min(received_at_us) AS created_us, max(version_us) AS updated_us
FROM annotation_events
WHERE workspace = {workspace:String} AND entity_type = {entity_type:String} AND annotation = 'comment'
  AND toUInt128(entity_id) IN {entities:Array(UInt128)}
GROUP BY entity_id, comment_id
HAVING newest.1 = 'set'
ORDER BY created_us, comment_id"""

_COMMENT: Final = """
SELECT DISTINCT entity_id
FROM annotation_events
WHERE workspace = {workspace:String} AND annotation = 'comment' AND comment_id = {comment_id:UUID}
  AND entity_type = {entity_type:String}"""


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
    parameters = {"workspace": workspace, "entity_type": entity_type, "entities": [entity.int for entity in ids]}
    found: dict[UUID, list[Remark]] = {}
    for row in await reader.ask(_COMMENTS, parameters):
        found.setdefault(row["entity_id"], []).append(Remark(_comment(row), row["updated_us"]))
    return found


async def comment(reader: Reader, workspace: str, entity_type: str, comment_id: UUID) -> Comment:
    """Return one comment; raises Unknown where there is none of that id."""
    parameters = {"workspace": workspace, "entity_type": entity_type, "comment_id": str(comment_id)}
    entities = [row["entity_id"] for row in await reader.ask(_COMMENT, parameters)]
    for remarks in (await comments_of(reader, workspace, entity_type, entities)).values():
        for remark in remarks:
            if remark.comment.id == comment_id:
                return remark.comment
    raise Unknown(f"Comment not found: {comment_id}")


def _comment(row: Mapping[str, Any]) -> Comment:
    _, text, author = row["newest"]
    return Comment(
        id=row["comment_id"],
        text=text,
        created_at=iso(row["created_us"]),
        last_updated_at=iso(row["updated_us"]),
        created_by=row["first_author"] or AUTHOR,
        last_updated_by=author or AUTHOR,
    )
