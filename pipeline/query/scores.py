"""Feedback scores: which count, for traces, spans and threads; and the names that a project knows."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pipeline.events.scores import EntityType
from pipeline.query.filters import Field, Predicate
from pipeline.query.parts import score_parts, thread_parts
from pipeline.query.reader import Reader
from pipeline.query.rows import AUTHOR, Score, ScoreByAuthor, short
from pipeline.query.statement import Scope, Statement
from pipeline.query.times import iso


async def scores_of(
    reader: Reader, workspace: str, entity_type: EntityType, ids: Sequence[UUID]
) -> dict[UUID, list[Score]]:
    """Return the scores of traces or spans, by id."""
    if not ids:
        return {}
    parameters = {"workspace": workspace, "entities": [entity.int for entity in ids]}
    statement = Statement(score_parts(entity_type, narrowed=True), parameters)
    select = "SELECT * FROM span_scores" if entity_type == "span" else "SELECT * FROM scores"
    return _by_entity(await reader.rows(statement, select, "ORDER BY name"))


async def thread_scores(
    reader: Reader, scope: Scope, threads: Mapping[str, UUID], *, lenient: bool
) -> dict[UUID, list[Score]]:
    """Return the scores that count of `threads` (model ids by thread id), by model id."""
    parameters = scope.parameters(
        thread_ids=list(threads), entities=[model.int for model in threads.values()], lenient=lenient
    )
    parts = thread_parts(narrowed=True) | score_parts("thread", narrowed=True)
    return _by_entity(await reader.rows(Statement(parts, parameters), "SELECT * FROM scores", "ORDER BY name"))


async def thread_score_names(reader: Reader, scope: Scope, *, lenient: bool) -> list[str]:
    """Return the names under which the project's threads have scores, in alphabetical order."""
    parts = thread_parts() | score_parts("thread")
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


def _by_entity(rows: Sequence[Mapping[str, Any]]) -> dict[UUID, list[Score]]:
    found: dict[UUID, list[Score]] = {}
    for row in rows:
        found.setdefault(UUID(int=row["entity"]), []).append(_score(row))
    return found


def _score(row: Mapping[str, Any]) -> Score:
    authors = [
        (given_by or AUTHOR, newest, first_set_us, set_us) for given_by, newest, first_set_us, set_us in row["authors"]
    ]
    last_author, (_, _, category, source, *_), _, last_us = max(authors, key=lambda author: author[3])
    first_author, _, first_us, _ = min(authors, key=lambda author: author[2])
    return Score(
        name=row["name"],
        value=short(row["value"]),
        category_name=category,
        reason=", ".join(newest[1] for _, newest, *_ in authors if newest[1]) or None,
        source=source,
        created_at=iso(first_us),
        last_updated_at=iso(last_us),
        created_by=first_author,
        last_updated_by=last_author,
        value_by_author={
            author: ScoreByAuthor(
                value=short(newest[0]), reason=newest[1], category_name=newest[2], source=newest[3],
                last_updated_at=iso(set_us),
            )
            for author, newest, _, set_us in authors
        },
    )  # fmt: skip
