import asyncio
import gzip
import json
from typing import Any

import pytest
from starlette.types import Message

from pipeline.adapters.telemetry.metrics import GATEWAY_EVENTS_REFUSED
from pipeline.topics import DEAD_LETTERS, TRACES
from tests.support.asgi import call, scope_of
from tests.support.gateway import MemoryGateway

BATCH = "/api/v1/private/traces/batch"
START = "2023-11-14T22:13:20Z"


def traces(*items: Any) -> dict[str, Any]:
    return {"traces": list(items)}


def a_trace(**fields: Any) -> dict[str, Any]:
    return {"start_time": START, **fields}


async def test_a_gzip_body_is_taken_as_the_python_sdk_sends_it() -> None:
    memory = MemoryGateway()
    body = gzip.compress(json.dumps(traces(a_trace(), a_trace())).encode(), 6)

    answer = await call(memory.app, "POST", BATCH, body, headers={"Content-Encoding": "gzip"})

    assert (answer.status, answer.body) == (204, b"")
    assert memory.producer.counts() == {"traces": 2}
    assert "x-threadline-set-aside" not in answer.headers


async def test_the_workspace_of_the_header_is_in_every_event() -> None:
    memory = MemoryGateway()

    await call(memory.app, "POST", BATCH, traces(a_trace(), "bad"), headers={"Comet-Workspace": "acme"})

    rows = memory.producer.rows(TRACES) + memory.producer.rows(DEAD_LETTERS)
    assert [row["workspace"] for row in rows] == ["acme", "acme"]


async def test_a_faulty_workspace_is_refused() -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, "POST", BATCH, traces(a_trace()), headers={"Comet-Workspace": "a\tb"})

    assert (answer.status, answer.json) == (400, {"errors": ["Comet-Workspace has control characters"]})


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"", 400, "the body is not a JSON object with a list 'traces'"),
        (b"not json", 400, "the body is not a JSON object with a list 'traces'"),
        ([], 400, "the body is not a JSON object with a list 'traces'"),
        ({"spans": []}, 400, "the body is not a JSON object with a list 'traces'"),
        ({"traces": 5}, 400, "the body is not a JSON object with a list 'traces'"),
        (traces(), 422, "traces must have 1 to 1000 items, not 0"),
        (traces(*[1] * 1001), 422, "traces must have 1 to 1000 items, not 1001"),
        (b"x" * 5000, 413, "the body is larger than 4,096 bytes"),
    ],
)
async def test_a_body_unusable_as_a_whole_is_refused_by_name(body: Any, status: int, error: str) -> None:
    memory = MemoryGateway(body_bytes_max=4096)

    answer = await call(memory.app, "POST", BATCH, body)

    assert (answer.status, answer.json) == (status, {"errors": [error]})
    assert memory.producer.counts() == {}


async def test_what_is_set_aside_is_counted_by_its_field() -> None:
    before = GATEWAY_EVENTS_REFUSED.labels("end_time")._value.get()

    await call(MemoryGateway().app, "POST", BATCH, traces(a_trace(end_time="x"), a_trace(end_time="y")))

    assert GATEWAY_EVENTS_REFUSED.labels("end_time")._value.get() == before + 2


async def test_a_batch_of_only_bad_items_is_taken_and_set_aside() -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, "POST", BATCH, traces(1, 2))

    assert (answer.status, memory.producer.counts()) == (204, {"dead-letters": 2})


async def test_nothing_is_confirmed_to_the_client_before_kafka_has_it() -> None:
    memory = MemoryGateway()
    memory.producer.break_down()

    answer = await call(memory.app, "POST", BATCH, traces(a_trace()))

    assert (answer.status, answer.headers["retry-after"], answer.headers["ratelimit-reset"]) == (429, "2", "2")


async def test_a_kafka_that_is_too_slow_is_a_429_and_the_bytes_stay_counted() -> None:
    memory = MemoryGateway(publish_timeout_seconds=0.01)
    memory.producer.confirms.clear()

    answer = await call(memory.app, "POST", BATCH, traces(a_trace()))

    assert answer.status == 429
    assert memory.gateway.budget.used > 0
    memory.producer.confirms.set()
    await memory.gateway.stop()
    assert memory.gateway.budget.used == 0
    assert len(memory.producer.of(TRACES)) == 1


async def test_a_client_that_leaves_in_the_middle_stores_nothing_and_holds_nothing() -> None:
    memory = MemoryGateway()

    await call(memory.app, "POST", BATCH, traces(a_trace()), client_leaves=True)

    assert memory.producer.counts() == {}
    assert memory.gateway.budget.used == 0


@pytest.mark.parametrize(
    ("bound", "reason"), [("body_seconds_max", "did not end within"), ("body_idle_seconds_max", "nothing came for")]
)
async def test_a_body_that_takes_too_long_is_a_408(bound: str, reason: str) -> None:
    memory = MemoryGateway(**{bound: 0.02})
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(0.001 if bound == "body_seconds_max" else 60)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    async with asyncio.timeout(30):
        await memory.app(scope_of("POST", BATCH), receive, send)

    assert sent[0]["status"] == 408
    assert reason.encode() in sent[1]["body"]
