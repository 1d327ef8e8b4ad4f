from typing import Any
from uuid import UUID

import pytest

from pipeline.events.identity import project_id
from pipeline.gateway.prices import SOURCE
from pipeline.topics import SPANS
from tests.support.asgi import call
from tests.support.gateway import RECEIVED_AT_US, MemoryGateway, kind_of

BASE = "/api/v1/private/spans"
ID = "01a20291-4e25-78ca-8c63-e1b8b8a2fd1b"
TRACE_ID = "01a20291-4e24-76d2-86bc-a025151a663c"
START = "2023-11-14T22:13:20Z"
START_US = 1_700_000_000_000_000
GPT_4O_MINI = {"input": "0.15", "output": "0.6", "cache_read": "-0.075"}
ALWAYS = {"workspace": "default", "received_at_us": RECEIVED_AT_US}


def a_span(**fields: Any) -> dict[str, Any]:
    return {"id": ID, "trace_id": TRACE_ID, "start_time": START, **fields}


async def test_a_span_with_everything_is_one_row_with_everything() -> None:
    memory = MemoryGateway()
    span = a_span(
        project_name="zoo",
        parent_span_id=str(UUID(int=9)),
        name="llm",
        type="llm",
        end_time=START,
        input={"p": 1},
        output="o",
        metadata=[1],
        tags=["a"],
        error_info={"exception_type": "E"},
        model="gpt-4o-mini",
        provider="openai",
        usage={"total_tokens": 7, "original_usage.total_tokens": 7, "cost": 0.1, "note": "x", "none": None},
        total_estimated_cost=0.0015,
        total_estimated_cost_version="v1",
        ttft=1.5,
        source="sdk",
        environment="prod",
        last_updated_at="2023-11-14T22:13:21Z",
    )

    answer = await call(memory.app, "POST", f"{BASE}/batch", {"spans": [span]})

    assert (answer.status, memory.producer.set_aside()) == (204, [])
    [record] = memory.producer.of(SPANS)
    assert (record.key, kind_of(record)) == (TRACE_ID.encode(), "span")
    assert memory.producer.rows(SPANS) == [
        {
            **ALWAYS,
            "version_us": START_US + 1_000_000,
            "id": ID,
            "trace_id": TRACE_ID,
            "event": "create",
            "parent_span_id": str(UUID(int=9)),
            "project_id": str(project_id("default", "zoo")),
            "project_name": "zoo",
            "name": "llm",
            "type": "llm",
            "start_time_us": START_US,
            "end_time_us": START_US,
            "input": '{"p": 1}',
            "output": '"o"',
            "metadata": "[1]",
            "tags_reset": True,
            "tags_added": ["a"],
            "error_info": '{"exception_type": "E"}',
            "model": "gpt-4o-mini",
            "provider": "openai",
            "usage": {"total_tokens": 7, "original_usage.total_tokens": 7},
            "total_estimated_cost": "0.001500000",
            "total_estimated_cost_version": "v1",
            "ttft": 1.5,
            "source": "sdk",
            "environment": "prod",
        }
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trace_id": None}, "trace_id: Expected `uuid`, got `null`"),
        ({"trace_id": "x"}, "trace_id: Invalid UUID"),
        ({"parent_span_id": "x"}, "parent_span_id: Invalid UUID"),
        ({"start_time": None}, "start_time: Expected `datetime`, got `null`"),
        ({"total_estimated_cost": 1e10}, "total_estimated_cost must be between"),
        ({"total_estimated_cost": "free"}, "total_estimated_cost: Invalid decimal string"),
        ({"model": 5}, "model: Expected `str | null`, got `int`"),
    ],
)
async def test_a_bad_span_is_set_aside_and_its_batch_taken(fields: dict[str, Any], reason: str) -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, "POST", f"{BASE}/batch", {"spans": [a_span(**fields), a_span()]})

    assert answer.status == 204
    assert len(memory.producer.rows(SPANS)) == 1
    [(given, _)] = memory.producer.set_aside()
    assert given.startswith(reason)


async def test_a_span_without_its_trace_is_refused_by_name() -> None:
    answer = await call(MemoryGateway().app, "POST", BASE, {"id": ID, "start_time": START})

    assert (answer.status, answer.json) == (400, {"errors": ["trace_id is required"]})


@pytest.mark.parametrize("usage", [[1], "many", 5, {"a": "b"}, None])
async def test_no_usage_costs_its_span(usage: object) -> None:
    memory = MemoryGateway()

    assert (await call(memory.app, "POST", f"{BASE}/batch", {"spans": [a_span(usage=usage)]})).status == 204

    [row] = memory.producer.rows(SPANS)
    assert "usage" not in row


async def test_a_patch_is_versioned_by_receipt_and_keyed_by_its_trace() -> None:
    memory = MemoryGateway()
    patch = {"trace_id": TRACE_ID, "end_time": START, "usage": {"total_tokens": 7}, "tags_to_remove": ["y"]}

    answer = await call(memory.app, "PATCH", f"{BASE}/{ID}", patch)

    assert answer.status == 204
    assert memory.producer.of(SPANS)[0].key == TRACE_ID.encode()
    assert memory.producer.rows(SPANS) == [
        {
            **ALWAYS, "version_us": RECEIVED_AT_US, "id": ID, "trace_id": TRACE_ID, "event": "patch",
            "end_time_us": START_US, "usage": {"total_tokens": 7}, "tags_removed": ["y"],
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model": "gpt-4o-mini", "provider": "api.openai.com"}, {"rates": GPT_4O_MINI, "rates_version": SOURCE}),
        ({"model": "gpt-4o-mini", "usage": {"prompt_tokens": 9}}, {"rates": GPT_4O_MINI, "rates_version": SOURCE}),
        (
            {"model": "gpt-4o-mini", "total_estimated_cost": 0.5},
            {"total_estimated_cost": "0.500000000", "total_estimated_cost_version": ""},
        ),
        ({"model": "my-own"}, {}),
        ({"usage": {"prompt_tokens": 1000}}, {}),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_an_event_says_its_cost_or_the_rates_of_its_model(
    method: str, fields: dict[str, Any], said: dict[str, Any]
) -> None:
    memory = MemoryGateway()

    await call(memory.app, method, BASE if method == "POST" else f"{BASE}/{ID}", a_span(**fields))

    [row] = memory.producer.rows(SPANS)
    assert {name: given for name, given in row.items() if "cost" in name or "rates" in name} == said
