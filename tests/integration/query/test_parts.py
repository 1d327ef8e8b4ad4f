from collections.abc import Callable
from uuid import uuid4

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.identity import session_id
from pipeline.events.threads import ThreadEvent
from pipeline.query.parts import thread_parts
from pipeline.query.routes import Query
from pipeline.query.statement import Scope, Statement
from tests.support.reading import Reads
from tests.support.stored import SECOND_US, Log

THREADS = "/api/v1/private/traces/threads"


async def status_of(reads: Reads, log: Log, thread_id: str) -> str:
    answer = await reads.post(f"{THREADS}/retrieve", {"thread_id": thread_id, "project_id": str(log.project)})
    return str(answer.json["status"]) if answer.status == 200 else str(answer.status)


async def test_the_model_id_that_sql_computes_is_the_one_that_python_computes(log: Log, writer: ClickHouse) -> None:
    names = ["t", "x" * 300, "日本語", "tab\t", str(uuid4()), " "]
    for name in names:
        log.trace(name)
    await log.store(writer)
    statement = Statement(thread_parts(), Scope(log.workspace, log.project).parameters())
    sql = statement.text("SELECT thread_id, model FROM folded")

    rows = await writer.rows(sql, statement.parameters(sql))

    assert {row["thread_id"]: row["model"] for row in rows} == {name: log.model(name).int for name in names}


async def test_a_thread_is_inactive_only_while_its_last_session_is_closed(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    log.trace("t")
    await log.store(writer)
    assert await status_of(reads, log, "t") == "active", "no session is known yet"

    log.opened("t", 0)
    await log.store(writer)
    assert await status_of(reads, log, "t") == "active"

    log.closed("t", 0, 0)
    await log.store(writer)
    assert await status_of(reads, log, "t") == "inactive"

    log.trace("t")
    offset = log.offset
    await log.store(writer)
    assert await status_of(reads, log, "t") == "active", "its trace is stored before its `opened`"

    log.opened("t", offset)
    await log.store(writer)
    assert await status_of(reads, log, "t") == "active"

    log.closed("t", offset, offset, reason="requested")
    log.opened("t", 0)  # delivered again
    log.closed("t", 0, 0)  # delivered again
    await log.store(writer)
    assert await status_of(reads, log, "t") == "inactive"


async def test_sessions_of_a_new_log_are_later_than_those_of_the_old_one(
    writer: ClickHouse, reads: Reads, log: Log
) -> None:
    for _ in range(5):
        log.trace("t")
    log.opened("t", 0)
    log.closed("t", 0, 4)
    await log.store(writer)
    again = Log(log.workspace)
    again.now_us = log.now_us
    again.trace("t")
    await again.store(writer)

    assert await status_of(reads, log, "t") == "active", "offset 0 of the new log is newer than offset 4 of the old"


async def test_a_session_that_goes_on_in_a_new_log_ends_with_its_activity_there(
    writer: ClickHouse, reads: Reads, log: Log
) -> None:
    log.trace("t")  # offset 0
    log.opened("t", 0)
    await log.store(writer)
    again = Log(log.workspace)
    again.now_us = log.now_us
    again.trace("t")  # offset 0 of the new log
    again.say(
        ThreadEvent,
        project_id=log.project, thread_id="t", thread_model_id=log.model("t"), event="closed", reason="inactive",
        session_id=session_id(log.log_id, 0, 0), session_log_id=log.log_id, session_partition=0, first_offset=0,
        last_offset=0, last_log_id=again.log_id, opened_at_us=log.now_us, last_activity_at_us=again.now_us,
        closed_at_us=again.now_us + SECOND_US, activities=2,
    )  # fmt: skip
    await again.store(writer)
    assert await status_of(reads, log, "t") == "inactive"

    again.trace("t")
    await again.store(writer)
    assert await status_of(reads, log, "t") == "active"


async def test_a_deleted_thread_is_gone_from_every_read_and_new_turns_live(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    old = log.trace("t", input="old")
    log.opened("t", 0)
    log.annotate("thread", log.model("t"), "tags", tags_added=("old",))
    log.annotate("thread", log.model("t"), "comment", comment_id=uuid4(), text="old")
    log.score("thread", log.model("t"), "old", "1", source="online_scoring")
    log.trace("other", input="stays")
    log.closed("t", 0, 0, reason="deleted")
    await log.store(writer)
    project = str(log.project)

    assert await status_of(reads, log, "t") == "404"
    assert [row["id"] for row in (await reads.get(THREADS, project_id=project)).json["content"]] == ["other"]
    traces = (await reads.post("/api/v1/private/traces/search", {"project_id": project})).lines
    assert [trace["input"] for trace in traces] == ["stays"]
    assert (await reads.get("/api/v1/private/traces", project_id=project)).json["total"] == 1
    assert (await reads.get(f"/api/v1/private/traces/{old}")).status == 404

    log.now_us += 10 * SECOND_US
    new = log.trace("t", input="new")
    first = log.offset
    log.opened("t", first)
    log.closed("t", first, first)  # a later session ends in the ordinary way: the deleted traces stay gone
    await log.store(writer)

    thread = (await reads.post(f"{THREADS}/retrieve", {"thread_id": "t", "project_id": project})).json
    assert (thread["first_message"], thread["number_of_messages"], thread["status"]) == ("new", 2, "inactive")
    assert not {"tags", "comments", "feedback_scores"} & thread.keys()
    assert (await reads.get(f"/api/v1/private/traces/{new}")).status == 200
    assert (await reads.get(f"/api/v1/private/traces/{old}")).status == 404


@pytest.mark.parametrize("author", [None, "ann"])
async def test_human_scores_count_only_if_decided_after_the_latest_reopening(
    log: Log, writer: ClickHouse, reads: Reads, lenient_reads: Reads, author: str | None
) -> None:
    async def names(reader: Reads) -> set[str]:
        body = {"thread_id": "t", "project_id": str(log.project)}
        row = (await reader.post(f"{THREADS}/retrieve", body)).json
        listed = (await reader.get(f"{THREADS}/feedback-scores/names", project_id=str(log.project))).json["scores"]
        scores = {score["name"] for score in row.get("feedback_scores", [])}
        assert {score["name"] for score in listed} == scores
        return scores

    model = log.model("t")
    log.trace("t")
    log.opened("t", 0)
    log.closed("t", 0, 0)
    log.score("thread", model, "by hand", "1", source="ui", author=author)
    log.score("thread", model, "by code", "1", source="sdk", author=author)
    log.score("thread", model, "by judge", "1", source="online_scoring", author=author)
    await log.store(writer)
    assert await names(reads) == {"by hand", "by code", "by judge"}

    log.trace("t")
    offset = log.offset
    await log.store(writer)
    assert await names(reads) == {"by judge"}, "the trace reopens, although its `opened` is not stored yet"

    log.opened("t", offset)
    log.closed("t", offset, offset)
    log.score("thread", model, "again", "0", source="ui", author=author)
    await log.store(writer)
    assert await names(reads) == {"by judge", "again"}
    assert await names(lenient_reads) == {"by hand", "by code", "by judge", "again"}


async def test_tags_of_a_thread_are_the_newest_word_on_each_tag(log: Log, writer: ClickHouse, reads: Reads) -> None:
    log.trace("t")
    model = log.model("t")
    log.annotate("thread", model, "tags", tags_added=("a", "b"))
    log.annotate("thread", model, "tags", tags_removed=("a",))
    log.annotate("thread", model, "tags", tags_added=("c",))
    await log.store(writer)
    body = {"thread_id": "t", "project_id": str(log.project)}
    assert (await reads.post(f"{THREADS}/retrieve", body)).json["tags"] == ["b", "c"]

    log.annotate("thread", model, "tags", tags_reset=True, tags_added=("a",))
    await log.store(writer)
    assert (await reads.post(f"{THREADS}/retrieve", body)).json["tags"] == ["a"]

    log.annotate("thread", model, "tags", tags_reset=True)
    await log.store(writer)
    assert "tags" not in (await reads.post(f"{THREADS}/retrieve", body)).json


async def test_whether_a_thread_exists_is_told_to_the_gateway(
    log: Log, writer: ClickHouse, start_query: Callable[..., Query]
) -> None:
    log.trace("t")
    await log.store(writer)
    query = start_query()

    assert await query.thread_exists(log.workspace, log.project, "t")
    assert not await query.thread_exists(log.workspace, log.project, "T")
    assert not await query.thread_exists("another", log.project, "t")
