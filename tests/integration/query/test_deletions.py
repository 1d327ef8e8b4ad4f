from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import SystemClock
from pipeline.query.deletions import any_deleted
from pipeline.query.reader import Reader
from pipeline.query.statement import Scope
from pipeline.settings import QuerySettings
from tests.support.reading import Reads
from tests.support.stored import Log

THREADS = "/api/v1/private/traces/threads"


async def test_only_a_deletion_is_one_and_only_of_its_thread_and_project(log: Log, writer: ClickHouse) -> None:
    reader = Reader(writer, QuerySettings(), SystemClock())
    scope = Scope(log.workspace, log.project)
    for name in ("a", "b"):
        log.trace(name)
        log.opened(name, log.offset)
    log.closed("a", 0, 0)
    await log.store(writer)
    assert not await any_deleted(reader, scope)

    log.closed("b", 2, 2, reason="deleted")
    await log.store(writer)
    assert await any_deleted(reader, scope)
    assert await any_deleted(reader, scope, ["a", "b"])
    assert not await any_deleted(reader, scope, ["a"])
    assert not await any_deleted(reader, Scope(log.workspace, Log(log.workspace, "Another").project))
    assert not await any_deleted(reader, Scope("another", log.project))


async def test_a_deletion_leaves_other_threads_and_their_figures_as_they_are(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    project = str(log.project)
    kept = log.trace("kept", input="q", output="a")
    log.span(kept, usage={"total_tokens": 3}, total_estimated_cost="0.5")
    log.score("thread", log.model("kept"), "helpful", "1", source="online_scoring")
    gone = log.trace("gone")
    log.span(gone, usage={"total_tokens": 4})
    log.opened("gone", 3)
    await log.store(writer)
    before = (await reads.get(THREADS, project_id=project)).json["content"]
    log.closed("gone", 3, 3, reason="deleted")
    await log.store(writer)

    page = (await reads.get(THREADS, project_id=project)).json
    scored = [{"field": "feedback_scores", "key": "helpful", "operator": "=", "value": "1"}]

    assert page["total"] == 1
    assert page["content"] == [row for row in before if row["id"] == "kept"]
    assert (await reads.get(THREADS, project_id=project, filters=scored)).json["content"] == page["content"]
    assert (await reads.get(f"{THREADS}/stats", project_id=project)).json["stats"][0]["value"] == 1
