"""Whole conversations, over HTTP as lines."""

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.query import conversations
from tests.support.reading import Reads
from tests.support.stored import BEGAN_US, SECOND_US, Log, uuid7_at

EXPORT = "/v1/private/traces/threads/export"


async def test_an_export_has_each_conversation_with_all_that_belongs_to_it(
    log: Log, writer: ClickHouse, reads: Reads
) -> None:
    long = "x" * 20_000
    first = log.trace("user-session-1", input={"user": "hi"}, output=long, metadata={"k": 1})
    log.trace("other", input="not this one")
    second = log.trace("user-session-1", input="and?", output="so", tags_added=("late",))
    log.trace(None, input="in no thread")
    log.trace("user-session-2", input="hello")
    log.span(first, usage={"total_tokens": 7})
    log.score("trace", second, "helpful", "1")
    log.score("thread", log.model("user-session-1"), "quality", "0.5", source="online_scoring")
    log.annotate("thread", log.model("user-session-1"), "comment", comment_id=first, text="read this")
    log.annotate("thread", log.model("user-session-1"), "tags", tags_added=("vip",))
    await log.store(writer)

    answer = await reads.get(EXPORT, project_name="Support", filter='thread_id contains "user-session"')

    assert answer.status == 200
    assert [line["id"] for line in answer.lines] == ["user-session-2", "user-session-1"]
    told = answer.lines[1]
    assert [trace["id"] for trace in told["traces"]] == [str(first), str(second)]
    assert [trace["input"] for trace in told["traces"]] == [{"user": "hi"}, "and?"]
    assert told["traces"][0]["output"] == long
    assert (told["traces"][0]["usage"], told["traces"][0]["metadata"]) == ({"total_tokens": 7}, {"k": 1})
    assert [score["name"] for score in told["traces"][1]["feedback_scores"]] == ["helpful"]
    assert [score["name"] for score in told["feedback_scores"]] == ["quality"]
    assert ([comment["text"] for comment in told["comments"]], told["tags"]) == (["read this"], ["vip"])


async def test_a_conversation_is_told_in_order_and_once_however_the_pieces_fall(
    log: Log, writer: ClickHouse, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        # Later ids begin earlier: order is that of time, not of ids. Every third begins with the one before.
        log.trace(f"t-{number % 7}", input=number, start_time_us=log.now_us - (number - number % 3) * 10 * SECOND_US)
    await log.store(writer)
    whole = (await reads.get(EXPORT, project_name="Support")).lines
    monkeypatch.setattr(conversations, "CHOSEN_THREADS_MAX", 3)
    monkeypatch.setattr(conversations, "THREADS_AT_ONCE_MAX", 2)
    monkeypatch.setattr(conversations, "TURNS_AT_ONCE_MAX", 4)

    pieces = (await reads.get(EXPORT, project_name="Support")).lines

    assert pieces == whole
    assert sorted(trace["input"] for line in whole for trace in line["traces"]) == list(range(40))
    for line in whole:
        begun = [trace["start_time"] for trace in line["traces"]]
        assert begun == sorted(begun)
        assert {trace["thread_id"] for trace in line["traces"]} == {line["id"]}


async def test_a_conversation_is_told_once_although_its_oldest_trace_came_late(
    log: Log, writer: ClickHouse, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8):
        log.trace(f"t-{number}")
    await log.store(writer)
    for number in (2, 5, 7):
        log.trace(f"t-{number}", id=uuid7_at(BEGAN_US - number * SECOND_US, number))
    await log.store(writer)
    monkeypatch.setattr(conversations, "CHOSEN_THREADS_MAX", 3)

    told = (await reads.get(EXPORT, project_name="Support")).lines

    assert [line["id"] for line in told] == [f"t-{number}" for number in (6, 4, 3, 1, 0, 2, 5, 7)]
    assert [len(line["traces"]) for line in told] == [1, 1, 1, 1, 1, 2, 2, 2]


async def test_what_was_deleted_is_not_exported(log: Log, writer: ClickHouse, reads: Reads) -> None:
    log.trace("gone", input=1)
    before = log.offset
    log.closed("gone", before, before, reason="deleted")
    log.trace("back", input=2)
    log.closed("back", log.offset, log.offset, reason="deleted")
    log.trace("back", input=3)
    await log.store(writer)

    lines = (await reads.get(EXPORT, project_name="Support")).lines

    assert [(line["id"], [trace["input"] for trace in line["traces"]]) for line in lines] == [("back", [3])]


async def test_a_wrong_filter_is_refused_before_the_first_byte(reads: Reads) -> None:
    for filter_, named in (("status = inactive", "inactive"), ('colour = "x"', "colour"), ("duration > 1 or", "or")):
        answer = await reads.get(EXPORT, project_name="Support", filter=filter_)

        assert answer.status == 400
        assert named in answer.json["errors"][0]
    assert (await reads.get(EXPORT)).status == 400
