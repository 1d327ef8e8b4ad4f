"""What is shown of a thread and what filters find of it come from two places: they must agree."""

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
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
