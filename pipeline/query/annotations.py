"""Comments on traces, spans and threads, and the tags of threads."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from pipeline.errors import Unknown
from pipeline.query.parts import tag_parts, thread_parts
from pipeline.query.reader import Reader
from pipeline.query.rows import AUTHOR, Comment
from pipeline.query.statement import Scope, Statement
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


async def comments_of(
    reader: Reader, workspace: str, entity_type: str, ids: Sequence[UUID], *, newer_than: Mapping[UUID, int] = {}
) -> dict[UUID, list[Comment]]:
    """Return the comments by entity, oldest first; none whose newest version is not after the entity's `newer_than`."""
    if not ids:
        return {}
    parameters = {"workspace": workspace, "entity_type": entity_type, "entities": [entity.int for entity in ids]}
    found: dict[UUID, list[Comment]] = {}
    for row in await reader.ask(_COMMENTS, parameters):
        if row["updated_us"] > newer_than.get(row["entity_id"], -1):
            found.setdefault(row["entity_id"], []).append(_comment(row))
    return found


async def comment(reader: Reader, workspace: str, entity_type: str, comment_id: UUID) -> Comment:
    """Return one comment; raises Unknown where there is none of that id."""
    parameters = {"workspace": workspace, "entity_type": entity_type, "comment_id": str(comment_id)}
    entities = [row["entity_id"] for row in await reader.ask(_COMMENT, parameters)]
    for remarks in (await comments_of(reader, workspace, entity_type, entities)).values():
        for remark in remarks:
            if remark.id == comment_id:
                return remark
    raise Unknown(f"Comment not found: {comment_id}")


async def thread_tags(reader: Reader, scope: Scope, threads: Mapping[str, UUID]) -> dict[UUID, list[str]]:
    """Return the tags of `threads` (model ids by thread id), by model id."""
    parameters = scope.parameters(thread_ids=list(threads), entities=[model.int for model in threads.values()])
    parts = thread_parts(narrowed=True) | tag_parts(narrowed=True)
    found = await reader.rows(Statement(parts, parameters), "SELECT * FROM tags")
    return {UUID(int=row["entity"]): row["tags"] for row in found}


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
