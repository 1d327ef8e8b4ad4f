"""What is shown of a thread and what filters find of it come from two places: they must agree."""

import random
from collections.abc import Mapping
from uuid import uuid4

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import SystemClock
from pipeline.query import reviews
from pipeline.query.reader import Reader
from pipeline.query.reviews import Said, said_of
from pipeline.settings import QuerySettings
from tests.support.reading import Reads
from tests.support.stored import SECOND_US, Log

THREADS = "/v1/private/traces/threads"
NAMES = ("by hand", "by judge", "afterwards")
TAGS = ("early", "late")


async def told(log: Log, writer: ClickHouse) -> None:
    """Say things of four threads: untouched, reopened, deleted and new again, and only deleted."""
    for thread_id in ("calm", "reopened", "renewed", "deleted"):
        log.trace(thread_id)
        first = log.offset
        model = log.model(thread_id)
        log.opened(thread_id, first)
        log.annotate("thread", model, "tags", tags_added=("early",))
        log.score("thread", model, "by hand", "1", source="ui", author="ann")
        log.score("thread", model, "by judge", "1", source="online_scoring", author="judge")
        log.closed(thread_id, first, first, reason="deleted" if thread_id in {"renewed", "deleted"} else "inactive")
        log.now_us += 10 * SECOND_US
        if thread_id in {"reopened", "renewed"}:
            log.trace(thread_id)
            log.score("thread", model, "afterwards", "1", source="sdk", author="bob")
            log.annotate("thread", model, "tags", tags_added=("late",))
    await log.store(writer)


@pytest.mark.parametrize("lenient", [False, True])
async def test_filters_find_the_scores_and_tags_that_are_shown(
    log: Log, writer: ClickHouse, reads: Reads, lenient_reads: Reads, *, lenient: bool
) -> None:
    reader = lenient_reads if lenient else reads
    await told(log, writer)
    project = str(log.project)
    rows = (await reader.post(f"{THREADS}/search", {"project_id": project})).lines
    shown = {row["id"]: row for row in rows}
    assert shown.keys() == {"calm", "reopened", "renewed"}

    for name in NAMES:
        given = {row for row in shown if name in {score["name"] for score in shown[row].get("feedback_scores", ())}}
        filters = [{"field": "feedback_scores", "key": name, "operator": "is_not_empty", "value": ""}]
        found = (await reader.get(THREADS, project_id=project, filters=filters)).json["content"]
        assert {row["id"] for row in found} == given, name
        assert all(row == shown[row["id"]] for row in found)
    for tag in TAGS:
        filters = [{"field": "tags", "operator": "contains", "value": tag}]
        found = (await reader.get(THREADS, project_id=project, filters=filters)).json["content"]
        assert {row["id"] for row in found} == {row for row in shown if tag in shown[row].get("tags", ())}, tag
    by_hand = {row for row in shown if "by hand" in {score["name"] for score in shown[row].get("feedback_scores", ())}}
    assert by_hand == ({"calm", "reopened"} if lenient else {"calm"})


@pytest.mark.parametrize("seed", range(5))
async def test_what_was_said_is_the_same_whoever_folds_it(
    seed: int, log: Log, writer: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = random.Random(seed)
    models = [log.model(f"thread-{number}") for number in range(4)]
    comments = [uuid4() for _ in range(4)]
    for _ in range(120):
        model, author = choice.choice(models), choice.choice(("ann", "bob", None))
        log.now_us -= choice.randrange(3) * SECOND_US  # some are said at the same moment, and some were earlier
        match choice.randrange(4):
            case 0 | 1:
                value = choice.choice(("0.5", "1", "-3.25", None))
                reason = choice.choice(("why", "because", None)) if value else None
                log.score("thread", model, choice.choice(("fluent", "Tone ü")), value, author=author, reason=reason)
            case 2:
                added, removed = (tuple(choice.sample(("a", "b", "ü"), choice.randrange(3))) for _ in range(2))
                reset = choice.random() < 0.1
                log.annotate("thread", model, "tags", tags_added=added, tags_removed=removed, tags_reset=reset)
            case _:
                text = choice.choice(("well", "said", '"quoted"'))
                log.annotate("thread", model, "comment", comment_id=choice.choice(comments), text=text, author=author)
    log.annotate("thread", models[0], "comment", comment_id=comments[0], event="delete")
    await log.store(writer)
    reader = Reader(writer, QuerySettings(), SystemClock())

    here = await said_of(reader, log.workspace, [model.int for model in models])
    monkeypatch.setattr(reviews, "EVENTS_MAX", -1)
    there = await said_of(reader, log.workspace, [model.int for model in models])

    assert comparable(here) == comparable(there)
    assert all(any(told) for told in zip(*((one.scores, one.tags, one.remarks) for one in here.values()), strict=True))


def comparable(said: Mapping[int, Said]) -> dict[int, object]:
    return {
        model: (sorted(one.scores, key=lambda given: given[:2]), sorted(one.tags), one.remarks)
        for model, one in said.items()
        if one.scores or one.tags or one.remarks
    }
