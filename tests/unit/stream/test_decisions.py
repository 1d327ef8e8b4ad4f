"""Commands one by one; `test_lifecycle` holds all of them together against the oracle."""

from typing import Any

import pytest

from pipeline.stream.lifecycle import apply
from pipeline.stream.partition import SESSION_REMEMBERED_US
from tests.unit.stream.logs import LOG_ID, NUMBER, Log, emitted, key, new_partition, thread

A, THREAD = key("a"), thread("a")


def said(log: Log, topic: str) -> list[dict[str, Any]]:
    partition = new_partition()
    list(apply(partition, log.records))
    return [value for name, value in emitted(partition, partition.take_outputs()) if name == topic]


def answers(log: Log) -> list[tuple[str, str | None]]:
    return [(reply["outcome"], reply.get("reason")) for reply in said(log, "thread-replies")]


def test_close_of_an_open_thread_is_applied_and_of_another_ignored() -> None:
    log = Log().trace(A).command("close", THREAD).command("close", THREAD)
    assert answers(log) == [("applied", None), ("ignored", None)]


def test_open_begins_a_session_without_activity() -> None:
    log = Log().command("open", THREAD).command("open", THREAD)
    assert answers(log) == [("applied", None), ("ignored", None)]
    [opened] = said(log, "threads")
    assert "activities" not in opened


@pytest.mark.parametrize("was_open", [True, False])
def test_delete_always_tells_its_moment(was_open: bool) -> None:  # noqa: FBT001
    log = Log()
    if was_open:
        log.trace(A)
    log.after(5).command("delete", THREAD)
    closed = said(log, "threads")[-1]
    assert (closed["event"], closed["reason"], closed["closed_at_us"]) == ("closed", "deleted", log.now_ms * 1000)
    assert closed["first_offset"] == 0
    assert answers(log) == [("applied", None)]


def test_strict_refuses_a_score_while_the_thread_is_open() -> None:
    log = Log().trace(A).command("score", THREAD)
    assert answers(log) == [("refused", "thread_open")]
    assert said(log, "scores") == []
    assert said(log, "threads")[-1]["event"] == "refused"


def test_lenient_takes_every_score() -> None:
    log = Log().setting("default", None, "lenient").trace(A).command("score", THREAD)
    assert answers(log) == [("applied", None)]
    [score] = said(log, "scores")
    assert (score["session_id"], score["decided_offset"]) == (f"{LOG_ID}:{NUMBER}:1", 2)


def test_close_then_score_works_and_names_the_session() -> None:
    log = Log().trace(A).command("close", THREAD).command("score", THREAD)
    [score] = said(log, "scores")
    assert (score["event"], score["session_id"]) == ("set", f"{LOG_ID}:{NUMBER}:0")
    assert (score["decided_log_id"], score["value"], score["name"]) == (str(LOG_ID), "0.5", "helpful")


def test_long_after_the_close_the_session_is_not_named() -> None:
    log = Log().trace(A).command("close", THREAD).after(SESSION_REMEMBERED_US // 1000).command("score", THREAD)
    [score] = said(log, "scores")
    assert "session_id" not in score


def test_unscore_is_always_taken() -> None:
    log = Log().trace(A).command("unscore", THREAD)
    [score] = said(log, "scores")
    assert (answers(log), score["event"]) == ([("applied", None)], "delete")


def test_without_a_reply_to_nobody_is_answered() -> None:
    assert answers(Log().command("close", THREAD, replies_to=None)) == []


@pytest.mark.parametrize("target", [-1, 16, 10**9])
def test_an_answer_for_a_partition_that_does_not_exist_is_counted(target: int) -> None:
    partition = new_partition()
    list(apply(partition, Log().command("close", THREAD, replies_to=target).records))
    assert emitted(partition, partition.take_outputs()) == []
    assert partition.tally.undecodable == {"reply-to": 1}


def test_a_command_that_was_decided_is_not_decided_again() -> None:
    log = Log().trace(A).command("score", THREAD).command("close", THREAD)
    partition = new_partition()
    list(apply(partition, log.records))
    partition.take_outputs()
    partition.next_offset = 0
    list(apply(partition, log.records))
    assert partition.take_outputs() == []
    assert partition.tally.replayed == 3
