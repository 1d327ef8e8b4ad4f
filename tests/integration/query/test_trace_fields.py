from typing import Any

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.query.trace_fields import FIELDS
from tests.support.reading import Reads
from tests.support.stored import BEGAN_US, SECOND_US, Log

SEARCH = "/v1/private/traces/search"


@pytest.fixture
async def stored(log: Log, writer: ClickHouse) -> Log:
    long = "word " * 500
    first = log.trace(
        "User-1", name="Chat", input={"user": {"name": "Ann"}, "n": 5}, output=long + "the END", tags_added=("vip",),
        metadata={"model": "GPT", "a": {"b": "deep"}, "a.b": "flat", "temperature": 0.5}, source="sdk", ttft=3.5,
    )  # fmt: skip
    second = log.trace(None, name="other", input="plain text", error_info={"exception_type": "E"}, environment="prod")
    log.trace("user-2", event="patch", output={"assistant": "patched"}, project_id=log.project)
    span = log.span(first, type="llm", usage={"total_tokens": 10, "prompt_tokens": 4}, total_estimated_cost="0.5")
    log.span(first, type="tool", usage={"total_tokens": 5})
    log.span(second, type="tool")
    log.score("trace", first, "Quality", "0.5")
    log.score("span", span, "depth", "2")
    await log.store(writer)
    return log


CASES: list[tuple[dict[str, Any], set[str]]] = [
    ({"field": "thread_id", "operator": "=", "value": "User-1"}, {"1"}),
    ({"field": "thread_id", "operator": "=", "value": "user-1"}, set()),
    ({"field": "thread_id", "operator": "contains", "value": "ser-"}, {"1", "3"}),
    ({"field": "thread_id", "operator": "not_contains", "value": "ser-"}, {"2"}),
    ({"field": "thread_id", "operator": "starts_with", "value": "u"}, {"3"}),
    ({"field": "thread_id", "operator": "ends_with", "value": "1"}, {"1"}),
    ({"field": "thread_id", "operator": ">", "value": "User-1"}, {"3"}),
    ({"field": "thread_id", "operator": "<", "value": "a"}, {"1", "2"}),
    ({"field": "thread_id", "operator": "!=", "value": "User-1"}, {"2", "3"}),
    ({"field": "name", "operator": "=", "value": "CHAT"}, {"1"}),
    ({"field": "name", "operator": "contains", "value": "h"}, {"1", "2"}),
    ({"field": "start_time", "operator": ">", "value": "2025-10-09T08:53:20.5Z"}, {"2"}),
    ({"field": "end_time", "operator": "<=", "value": "2025-10-09T08:53:20.5Z"}, {"1"}),
    ({"field": "created_at", "operator": ">=", "value": "2025-10-09T08:53:22+00:00"}, {"2", "3"}),
    ({"field": "last_updated_at", "operator": "<", "value": "2025-10-09T10:53:22+02:00"}, {"1"}),
    ({"field": "input", "operator": "contains", "value": "TEXT"}, {"2"}),
    ({"field": "input", "operator": "not_contains", "value": "text"}, {"1", "3"}),
    ({"field": "output", "operator": "ends_with", "value": 'the end"'}, {"1"}),
    ({"field": "output", "operator": "not_contains", "value": "the end"}, {"2", "3"}),
    ({"field": "input_json", "operator": "=", "key": "user.name", "value": "ann"}, {"1"}),
    ({"field": "input_json", "operator": ">", "key": "n", "value": "4.5"}, {"1"}),
    ({"field": "output_json", "operator": "contains", "key": "assistant", "value": "PATCH"}, {"3"}),
    ({"field": "metadata", "operator": "=", "key": "model", "value": "gpt"}, {"1"}),
    ({"field": "metadata", "operator": "=", "key": "a.b", "value": "flat"}, {"1"}),
    ({"field": "metadata", "operator": "!=", "key": "model", "value": "gpt"}, {"2", "3"}),
    ({"field": "metadata", "operator": "<", "key": "temperature", "value": "0.6"}, {"1"}),
    ({"field": "metadata", "operator": "not_contains", "key": "model", "value": "p"}, {"2", "3"}),
    ({"field": "annotation_queue_ids", "operator": "contains", "value": "q"}, set()),
    ({"field": "annotation_queue_ids", "operator": "is_empty", "value": ""}, {"1", "2", "3"}),
    ({"field": "experiment_id", "operator": "=", "value": "e"}, set()),
    ({"field": "guardrails", "operator": "!=", "value": "failed"}, {"1", "2", "3"}),
    ({"field": "tags", "operator": "contains", "value": "VI"}, {"1"}),
    ({"field": "tags", "operator": "is_empty", "value": ""}, {"2", "3"}),
    ({"field": "duration", "operator": "=", "value": "500"}, {"1", "2"}),
    ({"field": "ttft", "operator": ">=", "value": "3.5"}, {"1"}),
    ({"field": "source", "operator": "=", "value": "sdk"}, {"1"}),
    ({"field": "environment", "operator": "in", "value": "dev, prod"}, {"2"}),
    ({"field": "environment", "operator": "not_in", "value": "dev,prod"}, {"1", "3"}),
    ({"field": "error_info", "operator": "is_not_empty", "value": ""}, {"2"}),
    ({"field": "error_info", "operator": "is_empty", "value": ""}, {"1", "3"}),
    ({"field": "feedback_scores", "operator": ">=", "key": "quality", "value": "0.5"}, {"1"}),
    ({"field": "feedback_scores", "operator": "is_empty", "key": "Quality", "value": ""}, {"2", "3"}),
    ({"field": "span_feedback_scores", "operator": "=", "key": "depth", "value": "2"}, {"1"}),
    ({"field": "span_feedback_scores", "operator": "is_empty", "key": "depth", "value": ""}, {"2", "3"}),
    ({"field": "usage.total_tokens", "operator": "=", "value": "15"}, {"1"}),
    ({"field": "usage.prompt_tokens", "operator": "<", "value": "5"}, {"1"}),
    ({"field": "usage.completion_tokens", "operator": ">=", "value": "0"}, set()),
    ({"field": "total_estimated_cost", "operator": "<=", "value": "0.5"}, {"1"}),
    ({"field": "llm_span_count", "operator": "=", "value": "0"}, {"2", "3"}),
    ({"field": "llm_span_count", "operator": ">=", "value": "1"}, {"1"}),
]


async def test_each_field_selects_what_it_says(stored: Log, reads: Reads) -> None:
    wrong = []
    for given, expected in CASES:
        answer = await reads.post(SEARCH, {"project_id": str(stored.project), "filters": [given]})
        assert answer.status == 200, (given, answer.json)
        # Told apart by when they were received: one trace each second.
        began = {f"2025-10-09T08:53:2{number}": str(number) for number in (1, 2, 3)}
        found = {began[line["created_at"][:19]] for line in answer.lines}
        if found != expected:
            wrong.append((given, found))
    assert wrong == []


async def test_an_id_is_found_by_itself(stored: Log, reads: Reads) -> None:
    lines = (await reads.post(SEARCH, {"project_id": str(stored.project)})).lines
    given = {"field": "id", "operator": "=", "value": lines[0]["id"]}

    found = (await reads.post(SEARCH, {"project_id": str(stored.project), "filters": [given]})).lines

    assert [line["id"] for line in found] == [lines[0]["id"]]


def test_every_field_has_a_case() -> None:
    assert set(FIELDS) - {given["field"] for given, _ in CASES} == {"id"}
    assert BEGAN_US + SECOND_US == 1_760_000_001_000_000
