from collections.abc import Callable
from typing import Any

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.identity import thread_model_id
from pipeline.events.spans import SpanEvent
from pipeline.query.routes import Query
from pipeline.query.times import iso
from tests.support.reading import Reads, sorted_by
from tests.support.stored import BEGAN_US, SECOND_US, Log, uuid7_at

THREADS = "/api/v1/private/traces/threads"


async def test_a_thread_has_the_fields_that_the_contract_names(log: Log, writer: ClickHouse, reads: Reads) -> None:
    first = log.trace("t-1", input={"user": "hi"}, output={"assistant": "hello"}, source="sdk", environment="prod")
    second = log.trace("t-1", input="and now?", output="now this")
    log.span(first, usage={"total_tokens": 7, "prompt_tokens": 3}, total_estimated_cost="0.5", type="llm")
    log.span(second, usage={"total_tokens": 5}, total_estimated_cost="0.25")
    log.opened("t-1", 0)
    log.annotate("thread", log.model("t-1"), "tags", tags_added=("vip",))
    log.score("thread", log.model("t-1"), "helpful", "0.5", source="online_scoring", author="judge", reason="good")
    await log.store(writer)

    answer = await reads.post(f"{THREADS}/retrieve", {"thread_id": "t-1", "project_name": " SUPPORT "})

    assert answer.status == 200
    at = iso(BEGAN_US + 7 * SECOND_US)
    given = {"value": 0.5, "reason": "good", "source": "online_scoring", "last_updated_at": at}
    assert answer.json == {
        "id": "t-1",
        "project_id": str(log.project),
        "thread_model_id": str(thread_model_id(log.project, "t-1")),
        "start_time": iso(BEGAN_US),
        "end_time": iso(BEGAN_US + SECOND_US + SECOND_US // 2),
        "duration": 1500.0,
        "first_message": {"user": "hi"},
        "last_message": "now this",
        "feedback_scores": [
            {
                "name": "helpful", "value": 0.5, "reason": "good", "source": "online_scoring", "created_at": at,
                "last_updated_at": at, "created_by": "judge", "last_updated_by": "judge",
                "value_by_author": {"judge": given},
            }
        ],
        "status": "active",
        "number_of_messages": 4,
        "total_estimated_cost": 0.75,
        "usage": {"total_tokens": 12, "prompt_tokens": 3},
        "created_at": iso(BEGAN_US + SECOND_US),
        "last_updated_at": iso(BEGAN_US + 2 * SECOND_US),
        "created_by": "admin",
        "last_updated_by": "admin",
        "tags": ["vip"],
        "source": "sdk",
        "environment": "prod",
    }  # fmt: skip


async def test_what_a_thread_does_not_have_is_absent(log: Log, writer: ClickHouse, reads: Reads) -> None:
    log.trace("bare", end_time_us=None)
    await log.store(writer)

    bare = (await reads.post(f"{THREADS}/retrieve", {"thread_id": "bare", "project_id": str(log.project)})).json

    assert set(bare) == {
        "id", "project_id", "thread_model_id", "start_time", "status", "number_of_messages", "created_at",
        "last_updated_at", "created_by", "last_updated_by",
    }  # fmt: skip


async def test_the_first_message_is_the_earliest_input_and_the_last_the_latest_output(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    log.trace("t", input="later", output="ended last", start_time_us=20, end_time_us=90)
    log.trace("t", input="earliest", output="ended first", start_time_us=10, end_time_us=30)
    log.trace("t", input="latest", output="never ended", start_time_us=30, end_time_us=None)
    log.trace("t", event="patch", input="only patched")
    await log.store(writer)

    thread = (await reads.post(f"{THREADS}/retrieve", {"thread_id": "t", "project_id": str(log.project)})).json

    assert (thread["first_message"], thread["last_message"]) == ("earliest", "ended last")
    assert thread["duration"] == 0.08


async def test_the_last_message_is_that_of_the_trace_that_started_last_where_none_has_an_end(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    body = {"thread_id": "t", "project_id": str(log.project)}
    log.trace("t", input="question", output="answer", start_time_us=20, end_time_us=None)
    log.trace("t", input="earlier", output="earlier answer", start_time_us=10, end_time_us=None)
    log.trace("t", event="patch", output="only patched")
    await log.store(writer)
    thread = (await reads.post(f"{THREADS}/retrieve", body)).json
    assert (thread["first_message"], thread["last_message"]) == ("earlier", "answer")
    assert "end_time" not in thread

    log.trace("t", output="ended", start_time_us=1, end_time_us=2)
    await log.store(writer)
    assert (await reads.post(f"{THREADS}/retrieve", body)).json["last_message"] == "ended"
    filters = [{"field": "last_message", "operator": "=", "value": '"ended"'}]
    assert len((await reads.post(f"{THREADS}/search", body | {"filters": filters})).lines) == 1


async def test_an_unknown_thread_is_404_and_no_project_is_400(reads: Reads) -> None:
    assert (await reads.post(f"{THREADS}/retrieve", {"thread_id": "x", "project_name": "p"})).status == 404
    assert (await reads.post(f"{THREADS}/retrieve", {"thread_id": "x"})).status == 400
    assert (await reads.post(f"{THREADS}/search", {})).status == 400
    assert (await reads.get(THREADS)).status == 400
    assert (await reads.post(f"{THREADS}/search", {"project_name": "nobody's"})).body == b""


async def test_pages_cover_the_project_in_the_order_asked_for(log: Log, writer: ClickHouse, reads: Reads) -> None:
    for number in range(7):
        for _ in range(1 + number % 3):
            log.trace(f"t{number}")
    await log.store(writer)
    sorting = [{"field": "number_of_messages", "direction": "DESC"}, {"field": "id", "direction": "ASC"}]

    pages = [
        (await reads.get(THREADS, project_id=str(log.project), page=page, size=3, sorting=sorting)).json
        for page in (1, 2, 3, 4)
    ]

    assert [page["size"] for page in pages] == [3, 3, 1, 0]
    assert {page["total"] for page in pages} == {7}
    assert [row["id"] for page in pages for row in page["content"]] == ["t2", "t5", "t1", "t4", "t0", "t3", "t6"]
    assert "duration" in pages[0]["sortableBy"]


WORTH_SORTING_BY = (
    "total_estimated_cost", "usage.total_tokens", "usage.a.b", "usage.unheard", "feedback_scores.my.score",
    "feedback_scores.My.Score", "feedback_scores.unheard", "tags",
)  # fmt: skip


async def test_pages_are_sorted_by_cost_usage_scores_and_tags_with_absent_ones_last(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    said: dict[str, tuple[dict[str, int], tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
        # usage, costs, scores, tags
        "plain": ({}, (), (), ()),
        "dear": ({"total_tokens": 10, "a.b": 1}, ("0.5",), ("0.2",), ("b",)),
        "sums": ({"total_tokens": 5}, ("0.1", "0.2"), ("0.9", "0.5"), ("z", "a")),
        "same": ({"total_tokens": 10, "a.b": 2}, ("0.3",), ("0.7",), ("z", "a")),
        "free": ({"total_tokens": 0}, ("0",), ("-1",), ("a", "é")),
        "more": ({"total_tokens": 10**12}, ("0.30000001",), ("0",), ("a",)),
        "none": ({}, (), (), ("ab",)),
    }
    for name, (usage, costs, scores, tags) in said.items():
        model = log.model(name)
        for number, cost in enumerate(costs or (None,)):
            trace = log.trace(name)
            log.span(trace, usage=usage if number == 0 else {}, total_estimated_cost=cost)
        for number, value in enumerate(scores):
            log.score("thread", model, "my.score", value, source="online_scoring", author=f"judge-{number}")
        if tags:
            log.annotate("thread", model, "tags", tags_added=tags)
    log.score("thread", log.model("plain"), "My.Score", "1", source="online_scoring")
    log.score("thread", log.model("none"), "my.score", "1", source="online_scoring")
    log.score("thread", log.model("none"), "my.score", None)
    await log.store(writer)
    project = {"project_id": str(log.project)}
    unsorted = (await reads.get(THREADS, **project)).json
    assert {row["id"] for row in unsorted["content"]} == set(said)
    assert set(WORTH_SORTING_BY[:1] + WORTH_SORTING_BY[-1:]) < set(unsorted["sortableBy"])
    assert {"usage.*", "feedback_scores.*"} < set(unsorted["sortableBy"])

    async def shown(field: str, direction: str, size: int) -> list[str]:
        sorting = [{"field": field, "direction": direction}]
        return await reads.ids_in_pages(THREADS, size=size, **project, sorting=sorting)

    for direction in ("ASC", "DESC"):
        for field in WORTH_SORTING_BY:
            expected = sorted_by(field, direction, unsorted["content"])
            assert await shown(field, direction, len(said)) == expected, (field, direction)
        field = "feedback_scores.my.score"
        assert await shown(field, direction, 2) == sorted_by(field, direction, unsorted["content"])

    # From now on reads go around what was deleted.
    log.trace("dear")
    log.closed("dear", 0, log.offset, reason="deleted")
    await log.store(writer)
    left = [row for row in unsorted["content"] if row["id"] != "dear"]
    for field in WORTH_SORTING_BY:
        assert await shown(field, "DESC", len(said)) == sorted_by(field, "DESC", left), field


@pytest.mark.parametrize("path", [THREADS, "/v1/private/traces", "/v1/private/spans"])
@pytest.mark.parametrize("field", ["usage", "feedback_scores", "feedback_scores.", "tags.vip", "cost"])
async def test_a_sort_that_is_none_is_named(reads: Reads, path: str, field: str) -> None:
    answer = await reads.get(path, project_name="p", sorting=[{"field": field, "direction": "ASC"}])

    assert answer.status == 400
    assert f"'{field}'" in answer.json["errors"][0]


async def test_without_sorting_the_thread_that_changed_last_comes_first(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    for name in ("a", "b", "c", "a"):
        log.trace(name)
    log.closed("b", 1, 1, reason="requested")
    await log.store(writer)

    page = (await reads.get(THREADS, project_id=str(log.project))).json

    assert [row["id"] for row in page["content"]] == ["b", "a", "c"]


async def test_a_page_is_searched_and_bounded_in_time(log: Log, writer: ClickHouse, reads: Reads) -> None:
    log.trace("alpha", input="Where is my REFUND?")
    middle = log.now_us
    log.trace("beta", output="refunds take a week")
    log.trace("refund-9")
    log.trace("delta", input="something else")
    await log.store(writer)
    project = str(log.project)

    found = (await reads.get(THREADS, project_id=project, search="refund")).json["content"]
    early = (await reads.get(THREADS, project_id=project, from_time=iso(0), to_time=iso(middle - SECOND_US // 4))).json

    assert {row["id"] for row in found} == {"alpha", "beta", "refund-9"}
    assert [row["id"] for row in early["content"]] == ["alpha"]
    assert (await reads.get(THREADS, project_id=project, from_time=iso(0))).status == 400


async def test_excluded_members_are_left_out(log: Log, writer: ClickHouse, reads: Reads) -> None:
    log.trace("t", input="q", output="a")
    await log.store(writer)

    page = (await reads.get(THREADS, project_id=str(log.project), exclude=["first_message", "id", "nonsense"])).json

    assert "first_message" not in page["content"][0]
    assert page["content"][0]["id"] == "t"
    assert page["content"][0]["last_message"] == "a"


async def test_a_trace_that_moves_takes_its_messages_to_the_other_thread(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    log.trace("old", input="stays")
    moved = log.trace("old", input="moves", output="along")
    await log.store(writer)
    log.trace("new", id=moved, event="patch")
    await log.store(writer)

    rows = (await reads.post(f"{THREADS}/search", {"project_id": str(log.project)})).lines

    assert [(row["id"], row["number_of_messages"], row["first_message"]) for row in rows] == [
        ("new", 2, "moves"),
        ("old", 2, "stays"),
    ]


async def test_a_thread_id_with_every_kind_of_character_is_found(log: Log, writer: ClickHouse, reads: Reads) -> None:
    names = [
        "tab\there",
        'quote"s',
        "it's",
        "back\\slash",
        "100%_sure",
        "{x:String}",
        "line\nbreak",
        "日本語 🧵",
        "a/b?c#d",
    ]
    for name in names:
        log.trace(name)
    await log.store(writer)
    project = str(log.project)

    for name in names:
        assert (await reads.post(f"{THREADS}/retrieve", {"thread_id": name, "project_id": project})).json["id"] == name
        body = {"project_id": project, "filters": [{"field": "thread_id", "operator": "=", "value": name}]}
        assert [row["id"] for row in (await reads.post(f"{THREADS}/search", body)).lines] == [name]


async def test_a_thread_is_known_by_its_model_id_announced_or_not_as_long_as_it_has_a_trace(
    log: Log, writer: ClickHouse, start_query: Callable[..., Query]
) -> None:
    for thread_id in ("announced", "gone"):
        log.trace(thread_id)
        log.opened(thread_id, log.offset)
    log.trace("not yet announced")
    log.closed("gone", 2, 2, reason="deleted")
    await log.store(writer)
    query = start_query()

    known = {
        thread_id: await query.thread_model_exists(log.workspace, log.model(thread_id))
        for thread_id in ("announced", "not yet announced", "gone", "never")
    }
    assert known == {"announced": True, "not yet announced": True, "gone": False, "never": False}
    assert not await query.thread_model_exists(f"other-than-{log.workspace}", log.model("announced"))


async def test_usage_and_cost_are_those_of_all_spans_whatever_parts_they_came_in(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    traces = [log.trace("t", input=number) for number in range(2)]
    named = {"event": "create", "project_id": log.project, "project_name": log.project_name}
    spans = [uuid7_at(log.now_us, 1000 + number) for number in range(5)]

    def part(span: int, **fields: Any) -> None:
        log.say(SpanEvent, id=spans[span], trace_id=traces[span % 2], **fields)

    # A PATCH before its create, as the low-level client sends them; each part is stored and folded alone.
    part(0, event="patch", usage={"total_tokens": 10, "prompt_tokens": 4}, total_estimated_cost="0.5")
    await log.store(writer)
    part(1, **named, type="llm", model="gpt-4o", usage={"total_tokens": 3}, total_estimated_cost="0.25")
    part(2, **named, usage={"total_tokens": 1000}, total_estimated_cost="9")
    part(3, **named, usage={"total_tokens": 7})
    part(4, **named)
    await log.store(writer)
    part(0, **named, type="llm", model="gpt-4o", version_us=log.now_us - 60 * SECOND_US)
    part(1, event="patch", usage={"total_tokens": 30})
    part(2, event="delete")
    part(3, event="patch", total_estimated_cost="0.125")
    await log.store(writer)

    thread = (await reads.post(f"{THREADS}/retrieve", {"thread_id": "t", "project_name": log.project_name})).json
    listed = (await reads.get(THREADS, project_name=log.project_name)).json["content"][0]
    first = (await reads.get(f"/api/v1/private/traces/{traces[0]}")).json

    assert thread["usage"] == listed["usage"] == {"total_tokens": 47, "prompt_tokens": 4}
    assert thread["total_estimated_cost"] == listed["total_estimated_cost"] == 0.875
    assert (first["usage"], first["total_estimated_cost"]) == ({"total_tokens": 10, "prompt_tokens": 4}, 0.5)
    assert (first["span_count"], first["llm_span_count"]) == (2, 1)
