"""What people and judges said of threads: scores that count, tags, comments.

Which of them count `parts.SCORED` says in SQL, for filters; here the same is said of the rows that are shown, since
reading it for 2000 threads in one statement took twice as long.
"""

import asyncio
from collections.abc import Sequence
from itertools import chain
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from pipeline.query.annotations import REMARKED, remark
from pipeline.query.parts import GIVEN_ENTITIES, narrowed_to, review_parts
from pipeline.query.reader import ONE_CORE, Reader, listed
from pipeline.query.rows import Comment, Score
from pipeline.query.scores import Given, scores_by_name
from pipeline.query.statement import Statement
from pipeline.query.thread_rows import ThreadRow

_LOG_BITS: Final = 64
_BY_HAND: Final = frozenset({"ui", "sdk"})


class Review(NamedTuple):
    """All that was said of one thread."""

    scores: list[Score]
    tags: list[str]
    comments: list[Comment]


NOTHING: Final = Review([], [], [])


class Said(msgspec.Struct, frozen=True, array_like=True):
    """What was said of one thread, by model id, whether it counts or not: each kind comes in a row of its own."""

    entity: int
    scores: list[Given]
    tags: list[tuple[str, int]]
    remarks: list[tuple[UUID, str, str, str, int, int]]


_SAID: Final = msgspec.json.Decoder(Said)
_SCORED: Final = "SELECT entity, authors, [] AS tags, [] AS remarks FROM given"
_MARKED: Final = """SELECT * FROM (
SELECT entity, [] AS authors, added_tags AS tags, [] AS remarks FROM tagged
UNION ALL
SELECT entity, [], [], remarks FROM remarked
)"""
"""Two statements: a statement costs 4 ms before it reads anything, and reading scores takes as long as all else."""


async def said_of(reader: Reader, workspace: str, models: Sequence[int]) -> dict[int, list[Said]]:
    """Return all that was said of the threads with those model ids; one that nothing was said of is not in it."""
    if not models:
        return {}
    parts = review_parts(narrowed=True) | {"remarked": narrowed_to(REMARKED, GIVEN_ENTITIES)}
    statement = Statement(parts, {"workspace": workspace, "entities": listed(models)})
    found: dict[int, list[Said]] = {}
    told = [reader.rows_as(_SAID, statement, select, settings=ONE_CORE) for select in (_SCORED, _MARKED)]
    for said in chain(*await asyncio.gather(*told)):
        found.setdefault(said.entity, []).append(said)
    return found


def review(said: Sequence[Said], row: ThreadRow, *, lenient: bool) -> Review:
    """Return what counts of what was said of one thread."""
    if not said:
        return NOTHING
    since_us = row.deleted_at_us
    return Review(
        scores_by_name([one for part in said for one in part.scores if _counts(one, row, lenient=lenient)]),
        sorted(tag for part in said for tag, added_us in part.tags if added_us > since_us),
        [told.comment for part in said for told in map(remark, part.remarks) if told.updated_us > since_us],
    )


def _counts(given: Given, row: ThreadRow, *, lenient: bool) -> bool:
    """Tell whether a score counts: it is younger than the thread's deletion, and by hand also than its reopening."""
    _, _, (_, _, _, source, decided_log, decided_offset), _, set_us = given
    decided_after: bool = (decided_log << _LOG_BITS) + decided_offset > row.reopened
    younger: bool = set_us > row.deleted_at_us
    return younger and (lenient or source not in _BY_HAND or decided_after)
