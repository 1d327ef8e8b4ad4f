"""The programmatic part: find conversations, read them, score, tag and comment on them, close, open and delete them.

Runs in a workspace of its own, whose threads stay open until closed. Prints, as JSON, what the calls answered.
"""

import json
import os
import time
from collections.abc import Callable
from typing import Any

import opik
from opik.datetime_helpers import local_timestamp
from opik.rest_api.core import ApiError
from opik.rest_api.types.trace_thread_update import TraceThreadUpdate

SECONDS_MAX = 120.0
PROJECT = os.environ["OPIK_PROJECT_NAME"]
CONVERSATIONS = {
    "user-session-1": ("What is Opik?", "And a thread?"),
    "user-session-2": ("Hello",),
    "batch-job": ("run",),
}
client = opik.Opik()
traces = client.rest_client.traces
seen: dict[str, Any] = {}


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until what was written can be read."""
    give_up = time.monotonic() + SECONDS_MAX
    while not holds():
        if time.monotonic() > give_up:
            raise SystemExit(f"not within {SECONDS_MAX} s: {what}\n{json.dumps(seen, default=str)}")
        time.sleep(0.3)  # polls: there is nothing to await


def refused(call: Callable[[], object]) -> Any:
    try:
        call()
    except ApiError as error:
        return [error.status_code, error.body]
    return None


def thread(thread_id: str = "user-session-1") -> Any:
    return traces.get_trace_thread(thread_id=thread_id, project_name=PROJECT)


def ids(filter_string: str) -> list[str]:
    return sorted(str(found.id) for found in client.search_threads(filter_string=filter_string))


def scores(thread_id: str = "user-session-1") -> dict[str, float]:
    return {score.name: score.value for score in thread(thread_id).feedback_scores or []}


def log_conversations() -> None:
    workspaces = client.rest_client.workspaces
    seen["configured"] = workspaces.upsert_workspace_configuration(
        timeout_to_mark_thread_as_inactive="PT1H"
    ).timeout_to_mark_thread_as_inactive
    for thread_id, texts in CONVERSATIONS.items():
        for text in texts:
            trace = client.trace(
                name="turn",
                input={"user": text},
                output={"assistant": text.upper()},
                end_time=local_timestamp(),
                error_info={"exception_type": "Slow", "traceback": "at turn"} if text == "Hello" else None,
                thread_id=thread_id,
            )
            usage = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
            retrieval = trace.span(name="retrieve", type="tool")
            retrieval.span(name="complete", type="llm", usage=usage, model="gpt-4o-mini", total_cost=0.5)
    assert client.flush()


def search() -> None:
    found = client.search_traces(filter_string='thread_id contains "user-session"', wait_for_at_least=3)
    seen["contents"] = [
        [trace.thread_id, client.get_trace_content(trace.id).input, client.get_trace_content(trace.id).output]
        for trace in sorted(found, key=lambda trace: str(trace.id))
    ]
    until(lambda: bool(client.search_traces(filter_string='thread_id = "batch-job"')), "the third conversation")
    seen["traces by thread_id"] = {
        operator: sorted(
            {str(trace.thread_id) for trace in client.search_traces(filter_string=f"thread_id {operator}")}
        )
        for operator in (
            '= "batch-job"',
            '!= "batch-job"',
            'contains "session"',
            'not_contains "session"',
            'starts_with "user"',
            'ends_with "-2"',
            '> "user-session-1"',
            '< "c"',
        )
    }
    until(lambda: len(ids('status = "active"')) == len(CONVERSATIONS), "the threads are active")
    turns = sum(map(len, CONVERSATIONS.values()))
    until(lambda: len(client.search_spans(filter_string='type = "llm"')) == turns, "the spans")
    seen["threads by"] = {
        text: ids(text)
        for text in (
            'status = "active"',
            "number_of_messages >= 4",
            'id starts_with "user"',
            'thread_id = "batch-job"',
            'first_message contains "opik"',
            'last_message = "none of them"',
        )
    }
    seen["failed"] = [trace.thread_id for trace in client.search_traces(filter_string="error_info is_not_empty")]
    seen["spans"] = len(client.search_spans(filter_string='type = "llm"'))


def rate_messages() -> None:
    found = client.search_traces(filter_string='thread_id = "user-session-2"')
    client.log_traces_feedback_scores([{"id": str(trace.id), "name": "thumbs", "value": 1.0} for trace in found])
    assert client.flush()
    until(lambda: bool(client.search_traces(filter_string="feedback_scores.thumbs = 1")), "the rating")
    seen["rated"] = [trace.thread_id for trace in client.search_traces(filter_string="feedback_scores.thumbs = 1")]


def close_and_score() -> None:
    score = {"thread_id": "user-session-1", "name": "quality", "value": 0.8, "source": "sdk", "project_name": PROJECT}
    seen["score while open"] = refused(lambda: traces.score_batch_of_threads(scores=[score]))
    traces.close_trace_thread(project_name=PROJECT, thread_id="user-session-1")
    traces.close_trace_thread(project_name=PROJECT, thread_ids=["user-session-2", "batch-job"])
    client.log_threads_feedback_scores(
        [{"id": "user-session-1", "name": "quality", "value": 0.8, "reason": "good flow"}]
        + [{"id": name, "name": "resolved", "value": 1.0} for name in ("user-session-1", "user-session-2")]
    )
    assert client.flush()
    until(lambda: len(scores()) == 2 and len(scores("user-session-2")) == 1, "the scores of threads")
    seen["scored"] = scores()
    # Scores and sessions are stored by different batches: that the one can be read says nothing of the other.
    until(lambda: len(ids('status = "inactive"')) == len(CONVERSATIONS), "the threads are closed")
    seen["closed"] = ids('status = "inactive"')
    seen["found by score"] = ids("feedback_scores.quality > 0.5")
    names = traces.find_trace_threads_feedback_score_names(project_id=thread().project_id)
    seen["names"] = sorted(name.name or "" for name in names.scores or [])
    traces.delete_thread_feedback_scores(project_name=PROJECT, thread_id="user-session-1", names=["resolved"])
    until(lambda: "resolved" not in scores(), "the score deleted")
    seen["after the deletion of a score"] = scores()


def annotate() -> None:
    model_id = thread().thread_model_id
    traces.update_thread(model_id, tags_to_add=["vip", "later"])
    traces.batch_update_threads(
        ids=[model_id, thread("batch-job").thread_model_id], update=TraceThreadUpdate(tags=["seen"]), merge_tags=True
    )
    traces.update_thread(model_id, tags_to_remove=["later"])
    until(lambda: set(thread().tags or []) == {"vip", "seen"}, "the tags")
    seen["tags"] = sorted(thread().tags)
    seen["found by tag"] = ids('tags contains "vip"')
    traces.add_thread_comment(model_id, text="ask again")
    traces.add_thread_comment(model_id, text="a slip")
    until(lambda: len(thread().comments or []) == 2, "the comments")
    kept, slip = sorted(thread().comments, key=lambda comment: comment.text != "ask again")
    traces.update_thread_comment(kept.id, text="asked again")
    traces.delete_thread_comments(ids=[slip.id])
    until(lambda: [comment.text for comment in thread().comments or []] == ["asked again"], "the comment changed")
    seen["comment"] = traces.get_thread_comment(model_id, kept.id).text


def overview() -> None:
    stats = {stat.name: stat.value for stat in traces.get_trace_thread_stats(project_name=PROJECT).stats or []}
    seen["stats"] = {
        name: stats.get(name) for name in ("thread_count", "usage.total_tokens", "feedback_scores.quality")
    }
    sorting = json.dumps([{"field": "number_of_messages", "direction": "DESC"}])
    page = traces.get_trace_threads(project_name=PROJECT, page=1, size=1, sorting=sorting)
    seen["page"] = [page.size, page.total, [found.id for found in page.content or []]]
    seen["sortable"] = "number_of_messages" in (page.sortable_by or [])
    one = thread()
    seen["thread"] = [one.first_message, one.last_message, one.number_of_messages, one.usage, one.total_estimated_cost]
    seen["exists"] = traces.exist(project_name=PROJECT).exists
    seen["project"] = client.get_project(one.project_id).name
    client.auth_check()


def open_and_delete() -> None:
    traces.open_trace_thread(project_name=PROJECT, thread_id="user-session-1")
    until(lambda: thread().status == "active", "the thread is open again")
    seen["scores after the reopening"] = scores()
    traces.delete_trace_threads(project_name=PROJECT, thread_ids=["batch-job"])
    until(lambda: refused(lambda: thread("batch-job")) is not None, "the thread is gone")
    seen["deleted"] = refused(lambda: thread("batch-job"))[0]
    seen["left"] = ids("number_of_messages > 0")
    seen["close of a thread that never was"] = (
        refused(lambda: traces.close_trace_thread(project_name=PROJECT, thread_id="never")) or [None]
    )[0]


for step in (log_conversations, search, rate_messages, close_and_score, annotate, overview, open_and_delete):
    step()
print(json.dumps(seen))
