from collections.abc import Callable
from uuid import uuid4

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.annotations import CommentPlace
from pipeline.query.routes import Query
from pipeline.query.times import iso
from tests.support.reading import Reads
from tests.support.stored import BEGAN_US, SECOND_US, Log

TRACES = "/v1/private/traces"


async def test_the_newest_text_of_a_comment_counts_until_it_is_deleted(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    trace = log.trace("t")
    first, second = uuid4(), uuid4()
    log.annotate("trace", trace, "comment", comment_id=first, text="hm", author="ann")
    log.annotate("trace", trace, "comment", comment_id=second, text="second")
    log.annotate("trace", trace, "comment", comment_id=first, text="better", author="bob")
    await log.store(writer)

    edited = {
        "id": str(first), "text": "better", "created_at": iso(BEGAN_US + 2 * SECOND_US),
        "last_updated_at": iso(BEGAN_US + 4 * SECOND_US), "created_by": "ann", "last_updated_by": "bob",
    }  # fmt: skip
    comments = (await reads.get(f"{TRACES}/{trace}")).json["comments"]
    assert comments[0] == edited
    assert [comment["text"] for comment in comments] == ["better", "second"]
    assert (await reads.get(f"{TRACES}/{trace}/comments/{first}")).json == edited

    log.annotate("trace", trace, "comment", comment_id=first, event="delete")
    await log.store(writer)
    assert [comment["text"] for comment in (await reads.get(f"{TRACES}/{trace}")).json["comments"]] == ["second"]
    assert (await reads.get(f"{TRACES}/{trace}/comments/{first}")).status == 404


async def test_the_deletion_of_a_comment_is_final(log: Log, writer: ClickHouse, reads: Reads) -> None:
    trace, comment = log.trace("t"), uuid4()
    log.annotate("trace", trace, "comment", comment_id=comment, text="hm")
    log.annotate("trace", trace, "comment", comment_id=comment, event="delete")
    log.annotate("trace", trace, "comment", comment_id=comment, text="changed by who had not seen it go")
    await log.store(writer)

    assert "comments" not in (await reads.get(f"{TRACES}/{trace}")).json


async def test_where_comments_stand_is_known_of_deleted_ones_too(
    log: Log, writer: ClickHouse, start_query: Callable[..., Query]
) -> None:
    trace, kept, gone = log.trace("t"), uuid4(), uuid4()
    log.annotate("trace", trace, "comment", comment_id=kept, text="a")
    log.annotate("trace", trace, "comment", comment_id=gone, text="b")
    log.annotate("trace", trace, "comment", comment_id=gone, event="delete")
    await log.store(writer)
    query = start_query()

    places = await query.comment_places(log.workspace, "trace", [kept, gone, uuid4()])
    assert places == {kept: CommentPlace(trace, is_deleted=False), gone: CommentPlace(trace, is_deleted=True)}
    assert await query.comment_places(log.workspace, "thread", [kept]) == {}
    assert await query.comment_places(f"other-than-{log.workspace}", "trace", [kept]) == {}


async def test_a_comment_on_a_span_is_found_at_its_span_only(log: Log, writer: ClickHouse, reads: Reads) -> None:
    trace, comment = log.trace("t"), uuid4()
    span = log.span(trace)
    log.annotate("span", span, "comment", comment_id=comment, text="slow")
    await log.store(writer)

    assert (await reads.get(f"/v1/private/spans/{span}/comments/{comment}")).json["text"] == "slow"
    assert (await reads.get(f"/v1/private/spans/{uuid4()}/comments/{comment}")).status == 404
    assert (await reads.get(f"{TRACES}/{span}/comments/{comment}")).status == 404


async def test_comments_of_a_thread_stand_at_the_thread(log: Log, writer: ClickHouse, reads: Reads) -> None:
    log.trace("t")
    comment, model = uuid4(), log.model("t")
    log.annotate("thread", model, "comment", comment_id=comment, text="check this")
    await log.store(writer)

    body = {"thread_id": "t", "project_id": str(log.project)}
    assert (await reads.post(f"{TRACES}/threads/retrieve", body)).json["comments"][0]["text"] == "check this"
    found = await reads.get(f"{TRACES}/threads/{model}/comments/{comment}")
    assert (found.status, found.json["text"]) == (200, "check this")
    assert (await reads.get(f"{TRACES}/threads/{model}/comments/{uuid4()}")).status == 404
