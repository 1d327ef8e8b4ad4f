"""Feedback scores: which count, for traces, spans and threads; and the names that a project knows."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from pipeline.events.scores import EntityType
from pipeline.query.deletions import any_deleted
from pipeline.query.filters import Field, Predicate
from pipeline.query.parts import GIVEN_ENTITIES, review_parts, score_parts, thread_parts
from pipeline.query.reader import Reader, listed
from pipeline.query.rows import AUTHOR, Score, ScoreByAuthor, short
from pipeline.query.statement import Scope, Statement
from pipeline.query.times import iso

Newest = tuple[Decimal, str | None, str | None, str | None, int, int]
"""Value, reason, category, source, and where it was decided: log and offset."""
Given = tuple[str, str, Newest, int, int]
"""Name, author, the newest, first and last set (microseconds): an element of `authors`."""

_NINE_PLACES: Final = Decimal("1e-9")
_AUTHORS: Final = (
    "SELECT entity, groupArray((name, given_by, newest, first_set_us, set_us)) AS authors FROM score_authors"
)


async def scores_of(
    reader: Reader, workspace: str, entity_type: Literal["trace", "span"], ids: Sequence[UUID]
) -> dict[UUID, list[Score]]:
    """Return the scores of traces or spans, by id."""
    authors = await authors_of(reader, workspace, entity_type, [entity.int for entity in ids])
    return {UUID(int=entity): scores_by_name(given) for entity, given in authors.items()}


async def thread_score_names(reader: Reader, scope: Scope, *, lenient: bool) -> list[str]:
    """Return the names under which the project's threads have scores, in alphabetical order."""
    parts = thread_parts(with_deletions=await any_deleted(reader, scope)) | review_parts()
    found = await reader.rows(
        Statement(parts, scope.parameters(lenient=lenient)), "SELECT DISTINCT name FROM scores", "ORDER BY name"
    )
    return [row["name"] for row in found]


def score_field(entity: str) -> Field:
    """Return the field whose key names a score of `entity` (its id as a number), compared by the score's value."""

    def condition(predicate: Predicate, key: str, _: Statement) -> str:
        holds = f"lowerUTF8(name) = lowerUTF8({key}) AND {predicate('average')}"
        return f"{entity} IN (SELECT entity FROM scores WHERE {holds})"  # noqa: S608 - values are bound

    return Field("score", condition)


async def authors_of(
    reader: Reader, workspace: str, entity_type: EntityType, entities: Sequence[int]
) -> dict[int, list[Given]]:
    """Return what every author gave, by entity, an id as a number: of threads also what does not count (any more)."""
    if not entities:
        return {}
    parameters = {"workspace": workspace, "entities": listed(entities)}
    rows = await reader.rows(
        Statement(score_parts(entity_type, GIVEN_ENTITIES), parameters), _AUTHORS, "GROUP BY entity"
    )
    return {row["entity"]: row["authors"] for row in rows}


def scores_by_name(authors: Sequence[Given]) -> list[Score]:
    """Return one score for each name that any of `authors` gave, in alphabetical order."""
    if not authors:
        return []
    by_name: dict[str, list[Given]] = {}
    for given in sorted(authors, key=lambda given: given[:2]):
        by_name.setdefault(given[0], []).append(given)
    return [_score(name, givens) for name, givens in by_name.items()]


def _score(name: str, givens: Sequence[Given]) -> Score:
    by_author = {
        author or AUTHOR: ScoreByAuthor(
            value=short(value), reason=reason, category_name=category, source=source, last_updated_at=iso(set_us)
        )
        for _, author, (value, reason, category, source, *_), _, set_us in givens
    }
    _, first_author, _, first_us, _ = min(givens, key=lambda given: given[3])
    _, last_author, newest, _, last_us = max(givens, key=lambda given: given[4])
    average = sum((given[2][0] for given in givens), Decimal()) / len(givens)
    return Score(
        name=name,
        value=short(average.quantize(_NINE_PLACES)),
        category_name=newest[2],
        reason=", ".join(given[2][1] for given in givens if given[2][1]) or None,
        source=newest[3],
        created_at=iso(first_us),
        last_updated_at=iso(last_us),
        created_by=first_author or AUTHOR,
        last_updated_by=last_author or AUTHOR,
        value_by_author=by_author,
    )
