"""What people and judges said of threads: scores that count, tags, comments.

Which of them count `parts.SCORED` says in SQL, for filters; here the same is said of the rows that are shown, since
reading it for 2000 threads in one statement took twice as long. Of threads of which very much was said the events are
folded by ClickHouse, of others by `said`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec

from pipeline.query.annotations import REMARKED, remark
from pipeline.query.parts import GIVEN_ENTITIES, narrowed_to, review_parts
from pipeline.query.reader import ONE_CORE, Reader, listed
from pipeline.query.rows import Comment, Score
from pipeline.query.said import Marking, Remarked, Scoring, Tag, given_of, remarks_of, tags_of
from pipeline.query.scores import Given, scores_by_name
from pipeline.query.statement import Statement
from pipeline.query.thread_rows import ThreadRow

EVENTS_MAX: Final = 10_000
"""Of more of one kind ClickHouse folds them: they take longer on their way than folding them there."""

_SCORING: Final = msgspec.json.Decoder(Scoring)
_SCORE_EVENTS: Final = f"""
SELECT
    toUInt128(entity_id) AS entity, name, author, CAST(event = 'set', 'Bool') AS is_set, version_us, received_at_us,
    value, reason, category_name, source, toUInt128(decided_log_id) AS decided_log, toInt64(decided_offset) AS decided
FROM score_events
WHERE workspace = {{workspace:String}} AND entity_type = 'thread' AND entity IN {GIVEN_ENTITIES}
LIMIT {EVENTS_MAX + 1}"""  # noqa: S608 - composed of constants
_MARKING: Final = msgspec.json.Decoder(Marking)
_MARK_EVENTS: Final = f"""
SELECT
    toUInt128(entity_id) AS entity, CAST(annotation = 'comment', 'Bool') AS is_comment,
    CAST(event = 'delete', 'Bool') AS is_deletion, version_us, received_at_us, tags_reset, tags_added, tags_removed,
    comment_id, ifNull(text, ''), ifNull(author, '')
FROM annotation_events
WHERE workspace = {{workspace:String}} AND entity_type = 'thread' AND annotation IN ('tags', 'comment')
    AND entity IN {GIVEN_ENTITIES}
LIMIT {EVENTS_MAX + 1}"""  # noqa: S608 - composed of constants

Event = TypeVar("Event", Scoring, Marking)

_LOG_BITS: Final = 64
_BY_HAND: Final = frozenset({"ui", "sdk"})


class Review(NamedTuple):
    """All that was said of one thread."""

    scores: list[Score]
    tags: list[str]
    comments: list[Comment]


NOTHING: Final = Review([], [], [])


class Said(msgspec.Struct, array_like=True):
    """What was said of one thread, by model id, whether it counts or not."""

    entity: int
    scores: list[Given] = []
    tags: list[Tag] = []
    remarks: list[Remarked] = []


_SAID: Final = msgspec.json.Decoder(Said)
_SCORED: Final = "SELECT entity, authors, [] AS tags, [] AS remarks FROM given"
_MARKED: Final = """SELECT * FROM (
SELECT entity, [] AS authors, added_tags AS tags, [] AS remarks FROM tagged
UNION ALL
SELECT entity, [], [], remarks FROM remarked
)"""


async def said_of(reader: Reader, workspace: str, models: Sequence[int]) -> dict[int, Said]:
    """Return all that was said of the threads with those model ids; one that nothing was said of is not in it."""
    if not models:
        return {}
    parameters = {"workspace": workspace, "entities": listed(models)}
    scored, marked = await asyncio.gather(_scored(reader, parameters), _marked(reader, parameters))
    for entity, said in marked.items():
        found = scored.setdefault(entity, said)
        found.tags, found.remarks = said.tags, said.remarks
    return scored


async def _scored(reader: Reader, parameters: Mapping[str, object]) -> dict[int, Said]:
    events = await reader.ask_as(_SCORING, _SCORE_EVENTS, parameters, settings=ONE_CORE)
    if len(events) > EVENTS_MAX:
        return await _folded(reader, parameters, _SCORED)
    return {entity: Said(entity, scores=given_of(own)) for entity, own in _by_entity(events).items()}


async def _marked(reader: Reader, parameters: Mapping[str, object]) -> dict[int, Said]:
    events = await reader.ask_as(_MARKING, _MARK_EVENTS, parameters, settings=ONE_CORE)
    if len(events) > EVENTS_MAX:
        return await _folded(reader, parameters, _MARKED)
    by_entity = _by_entity(events)
    return {entity: Said(entity, tags=tags_of(own), remarks=remarks_of(own)) for entity, own in by_entity.items()}


async def _folded(reader: Reader, parameters: Mapping[str, object], select: str) -> dict[int, Said]:
    """Return what ClickHouse folds; tags and remarks of one thread come in rows of their own."""
    parts = review_parts(narrowed=True) | {"remarked": narrowed_to(REMARKED, GIVEN_ENTITIES)}
    found: dict[int, Said] = {}
    for said in await reader.rows_as(_SAID, Statement(parts, parameters), select, settings=ONE_CORE):
        whole = found.setdefault(said.entity, said)
        whole.tags, whole.remarks = whole.tags or said.tags, whole.remarks or said.remarks
    return found


def _by_entity(events: Sequence[Event]) -> dict[int, list[Event]]:
    by_entity: dict[int, list[Event]] = {}
    for event in events:
        by_entity.setdefault(event.entity, []).append(event)
    return by_entity


def review(said: Said | None, row: ThreadRow, *, lenient: bool) -> Review:
    """Return what counts of what was said of one thread."""
    if said is None:
        return NOTHING
    since_us = row.deleted_at_us
    return Review(
        scores_by_name([one for one in said.scores if _counts(one, row, lenient=lenient)]),
        sorted(tag for tag, added_us in said.tags if added_us > since_us),
        [told.comment for told in map(remark, said.remarks) if told.updated_us > since_us],
    )


def _counts(given: Given, row: ThreadRow, *, lenient: bool) -> bool:
    """Tell whether a score counts: it is younger than the thread's deletion, and by hand also than its reopening."""
    _, _, (_, _, _, source, decided_log, decided_offset), _, set_us = given
    decided_after: bool = (decided_log << _LOG_BITS) + decided_offset > row.reopened
    younger: bool = set_us > row.deleted_at_us
    return younger and (lenient or source not in _BY_HAND or decided_after)
