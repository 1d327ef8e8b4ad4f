"""What people and judges said of threads: scores that count, tags, comments.

Which of them count `parts.SCORED` says in SQL, for filters; here the same is said of the rows that are shown, since
reading it for 2000 threads in one statement took twice as long.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from pipeline.query.annotations import remarks_of
from pipeline.query.parts import review_parts
from pipeline.query.reader import Reader
from pipeline.query.rows import Comment, Score
from pipeline.query.scores import Given, authors_of, scores_by_name
from pipeline.query.statement import Statement

_LOG_BITS: Final = 64
_BY_HAND: Final = frozenset({"ui", "sdk"})


class Review(NamedTuple):
    """All that was said of one thread."""

    scores: list[Score]
    tags: list[str]
    comments: list[Comment]


async def reviews_of(
    reader: Reader, workspace: str, rows: Sequence[Mapping[str, Any]], *, lenient: bool
) -> list[Review]:
    """Return the review of each row; `rows` are of `stated`, with `model`, `deleted_at_us` and `reopened`."""
    models = [row["model"] for row in rows]
    authors, tags, remarks = await asyncio.gather(
        authors_of(reader, workspace, "thread", models),
        _tags_of(reader, workspace, models),
        remarks_of(reader, workspace, "thread", models),
    )
    found = []
    for row, model in zip(rows, models, strict=True):
        since_us = row["deleted_at_us"]
        given = [one for one in authors.get(model, ()) if _counts(one, row, lenient=lenient)]
        found.append(
            Review(
                scores_by_name(given),
                sorted(tag for tag, added_us in tags.get(model, ()) if added_us > since_us),
                [remark.comment for remark in remarks.get(model, ()) if remark.updated_us > since_us],
            )
        )
    return found


def _counts(given: Given, row: Mapping[str, Any], *, lenient: bool) -> bool:
    """Tell whether a score counts: it is younger than the thread's deletion, and by hand also than its reopening."""
    _, _, (_, _, _, source, decided_log, decided_offset), _, set_us = given
    decided_after: bool = (decided_log << _LOG_BITS) + decided_offset > row["reopened"]
    younger: bool = set_us > row["deleted_at_us"]
    return younger and (lenient or source not in _BY_HAND or decided_after)


async def _tags_of(reader: Reader, workspace: str, models: Sequence[int]) -> dict[int, list[tuple[str, int]]]:
    """Return tags, and when each was added last (microseconds), by thread."""
    if not models:
        return {}
    parameters = {"workspace": workspace, "entities": models}
    rows = await reader.rows(Statement(review_parts(narrowed=True), parameters), "SELECT * FROM tagged")
    return {row["entity"]: row["added_tags"] for row in rows}
