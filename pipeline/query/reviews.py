"""What people and judges said of threads: scores that count, tags, comments.

Which of them count `parts.SCORED` says in SQL, for filters; here the same is said of the rows that are shown, since
reading it for 2000 threads in one statement took twice as long.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from pipeline.query.annotations import Remark, remarks_of
from pipeline.query.parts import review_parts
from pipeline.query.reader import Reader
from pipeline.query.rows import Comment, Score
from pipeline.query.scores import Given, authors_of, scores_by_name
from pipeline.query.statement import Statement
from pipeline.query.thread_rows import ThreadRow

_LOG_BITS: Final = 64
_BY_HAND: Final = frozenset({"ui", "sdk"})


class Review(NamedTuple):
    """All that was said of one thread."""

    scores: list[Score]
    tags: list[str]
    comments: list[Comment]


class Said(NamedTuple):
    """What was said of threads, by model id, whether it counts or not."""

    scores: Mapping[int, list[Given]]
    tags: Mapping[int, list[tuple[str, int]]]
    remarks: Mapping[int, list[Remark]]


async def said_of(reader: Reader, workspace: str, models: Sequence[int]) -> Said:
    """Return all that was said of the threads with those model ids."""
    return Said(
        *await asyncio.gather(
            authors_of(reader, workspace, "thread", models),
            _tags_of(reader, workspace, models),
            remarks_of(reader, workspace, "thread", models),
        )
    )


def review(said: Said, row: ThreadRow, *, lenient: bool) -> Review:
    """Return what counts of what was said of one thread."""
    model, since_us = row.model, row.deleted_at_us
    return Review(
        scores_by_name([one for one in said.scores.get(model, ()) if _counts(one, row, lenient=lenient)]),
        sorted(tag for tag, added_us in said.tags.get(model, ()) if added_us > since_us),
        [remark.comment for remark in said.remarks.get(model, ()) if remark.updated_us > since_us],
    )


def _counts(given: Given, row: ThreadRow, *, lenient: bool) -> bool:
    """Tell whether a score counts: it is younger than the thread's deletion, and by hand also than its reopening."""
    _, _, (_, _, _, source, decided_log, decided_offset), _, set_us = given
    decided_after: bool = (decided_log << _LOG_BITS) + decided_offset > row.reopened
    younger: bool = set_us > row.deleted_at_us
    return younger and (lenient or source not in _BY_HAND or decided_after)


async def _tags_of(reader: Reader, workspace: str, models: Sequence[int]) -> dict[int, list[tuple[str, int]]]:
    """Return tags, and when each was added last (microseconds), by thread."""
    if not models:
        return {}
    parameters = {"workspace": workspace, "entities": models}
    rows = await reader.rows(Statement(review_parts(narrowed=True), parameters), "SELECT * FROM tagged")
    return {row["entity"]: row["added_tags"] for row in rows}
