from typing import Any

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.query.span_fields import FIELDS, SORTS
from tests.support.reading import Reads, sorted_by
from tests.support.stored import Log, uuid7_at

SPANS = "/v1/private/spans"
CASES: dict[str, dict[str, Any]] = {
    "id": {"operator": "starts_with", "value": "0199c82c-c7d0"},
    "trace_id": {"operator": "=", "value": str(uuid7_at(1_760_000_001_000_000, 0))},
    "parent_span_id": {"operator": "=", "value": str(uuid7_at(1, 1))},
    "name": {"operator": "contains", "value": "CALL"},
    "type": {"operator": "=", "value": "llm"},
    "start_time": {"operator": "<", "value": "2025-10-09T08:53:23Z"},
    "end_time": {"operator": "<", "value": "2025-10-09T08:53:23Z"},
    "created_at": {"operator": "<", "value": "2025-10-09T08:53:23.5Z"},
    "last_updated_at": {"operator": "<", "value": "2025-10-09T08:53:23.5Z"},
    "input": {"operator": "contains", "value": "MARK"},
    "output": {"operator": "contains", "value": "MARK"},
    "input_json": {"operator": "=", "key": "x", "value": "mark"},
    "output_json": {"operator": "ends_with", "key": "z", "value": "MARK"},
    "metadata": {"operator": "=", "key": "k", "value": "v"},
    "tags": {"operator": "contains", "value": "vip"},
    "duration": {"operator": "<", "value": "2"},
    "ttft": {"operator": "=", "value": "4"},
    "model": {"operator": "=", "value": "GPT"},
    "provider": {"operator": "=", "value": "openai"},
    "source": {"operator": "=", "value": "sdk"},
    "environment": {"operator": "=", "value": "prod"},
    "error_info": {"operator": "is_not_empty", "value": ""},
    "total_estimated_cost": {"operator": "=", "value": "0.5"},
    "feedback_scores": {"operator": "=", "key": "depth", "value": "2"},
    "usage.total_tokens": {"operator": "=", "value": "7"},
    "usage.prompt_tokens": {"operator": "=", "value": "3"},
    "usage.completion_tokens": {"operator": "=", "value": "4"},
}


async def test_each_field_selects_the_span_that_has_it(log: Log, writer: ClickHouse, reads: Reads) -> None:
    trace, other = log.trace("t"), log.trace("t")
    marked = log.span(
        trace, parent_span_id=uuid7_at(1, 1), name="the call", type="llm", input={"x": "mark"},
        output={"z": "y" * 2000 + "mark"},
        metadata={"k": "v"}, tags_added=("vip",), ttft=4.0, model="gpt", provider="OpenAI", source="sdk",
        environment="prod", error_info={"exception_type": "E"}, total_estimated_cost="0.5",
        usage={"total_tokens": 7, "prompt_tokens": 3, "completion_tokens": 4},
    )  # fmt: skip
    log.span(other, name="plain", type="tool", end_time_us=log.now_us + 2_000_000)
    log.score("span", marked, "depth", "2")
    await log.store(writer)

    assert set(CASES) == set(FIELDS)
    for field, given in CASES.items():
        body = {"project_id": str(log.project), "filters": [{"field": field, **given}]}
        assert [row["id"] for row in (await reads.post(f"{SPANS}/search", body)).lines] == [str(marked)], field


async def test_a_page_can_be_sorted_by_everything_it_says(log: Log, writer: ClickHouse, reads: Reads) -> None:
    trace = log.trace("t")
    for number in (1, 2, 3):
        span = log.span(
            trace, name=f"n{number}", model=f"m{number}", usage={"tokens": 9 + number}, tags_added=("z", f"t{number}"),
            total_estimated_cost=f"{8 + number}.5",
        )  # fmt: skip
        log.score("span", span, "tokens", f"{8 + number}.5")
    log.span(trace, name="bare", total_estimated_cost="0")
    await log.store(writer)
    unsorted = (await reads.get(SPANS, project_id=str(log.project), trace_id=str(trace))).json

    assert unsorted["sortableBy"] == list(SORTS)
    for field in (name.replace("*", "tokens") for name in SORTS):
        for direction, trace_id in (("ASC", {}), ("DESC", {"trace_id": str(trace)})):
            sorting = [{"field": field, "direction": direction}]
            page = (await reads.get(SPANS, project_id=str(log.project), **trace_id, sorting=sorting)).json
            ids = [row["id"] for row in page["content"]]
            assert ids == sorted_by(field, direction, unsorted["content"]), (field, direction)
