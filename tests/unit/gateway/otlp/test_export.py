import gzip
import json
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from pipeline.gateway.intake import SET_ASIDE_HEADER
from pipeline.gateway.otlp import export, json_form, protobuf_form
from pipeline.topics import SPANS, TRACES
from tests.support.asgi import Answer, call
from tests.support.gateway import MemoryGateway, kind_of
from tests.support.otlp import protobuf, recorded, request, span

PATHS = ("/v1/traces", "/api/v1/traces", "/v1/private/otel/v1/traces", "/api/v1/private/otel/v1/traces")
JSON = {"Content-Type": "application/json"}
PROTOBUF = {"Content-Type": "application/x-protobuf"}
TURN = {"thread_id": "t", "input.value": "Hi", "output.value": "Hello"}


async def send(memory: MemoryGateway, body: Any, headers: dict[str, str] = JSON, path: str = PATHS[0]) -> Answer:
    return await call(memory.app, "POST", path, body, headers)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", [JSON, PROTOBUF, JSON | {"Content-Type": "application/json; charset=utf-8"}])
async def test_a_trace_is_taken_wherever_exporters_send_it(path: str, headers: dict[str, str]) -> None:
    memory = MemoryGateway()
    body = request(span(1, attributes=TURN), span(2, parent=1))
    encoded = protobuf(body) if headers == PROTOBUF else json.dumps(body).encode()
    compressed = gzip.compress(encoded)

    answer = await send(memory, compressed, headers | {"Content-Encoding": "gzip", "Comet-Workspace": "w"}, path)

    assert (answer.status, answer.headers["content-type"]) == (200, headers["Content-Type"].split(";")[0])
    assert answer.body == (b"" if headers == PROTOBUF else b"{}")
    assert memory.producer.counts() == {"traces": 1, "spans": 2}
    [trace] = memory.producer.of(TRACES)
    assert kind_of(trace) == "trace"
    assert trace.key is not None
    assert trace.key.startswith(b"thread\tw\t")
    assert {row["workspace"] for row in memory.producer.rows(SPANS)} == {"w"}


async def test_both_encodings_become_the_same_events() -> None:
    by_json, by_protobuf = MemoryGateway(), MemoryGateway()
    for body in recorded("openai-v2") + recorded("openinference-langchain"):
        await send(by_json, body)
        await send(by_protobuf, protobuf(body), PROTOBUF)

    assert by_json.producer.records == by_protobuf.producer.records
    assert by_json.producer.counts() == {"traces": 8, "spans": 13}


async def test_the_header_names_the_project() -> None:
    memory = MemoryGateway()

    await send(memory, request(span()), JSON | {"projectName": "Größe".encode().decode("latin-1")})

    assert [row["project_name"] for row in memory.producer.rows(TRACES)] == ["Größe"]


@pytest.mark.parametrize("headers", [JSON, PROTOBUF])
async def test_a_faulty_span_is_set_aside_and_told_while_its_neighbours_are_taken(headers: dict[str, str]) -> None:
    memory = MemoryGateway()
    body = request(span(1), span(2, spanId="00" * 8), span(3, parent=1, startTimeUnixNano="0"))

    answer = await send(memory, protobuf(body) if headers == PROTOBUF else body, headers)

    assert answer.status == 200
    assert SET_ASIDE_HEADER.lower() not in answer.headers
    if headers == PROTOBUF:
        partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
        told = (partial.rejected_spans, partial.error_message)
    else:
        told = (int(answer.json["partialSuccess"]["rejectedSpans"]), answer.json["partialSuccess"]["errorMessage"])
    assert told[0] == 2
    assert "spanId" in told[1]
    assert "startTimeUnixNano" in told[1]
    assert memory.producer.counts() == {"traces": 1, "spans": 1, "dead-letters": 2}
    form = protobuf_form if headers == PROTOBUF else json_form
    assert [found.read().name for _, original in memory.producer.set_aside() for found in form.incoming(original)] == [
        "span 2",
        "span 3",
    ]


async def test_a_request_without_spans_is_fine() -> None:
    memory = MemoryGateway()

    assert (await send(memory, {})).status == 200
    assert (await send(memory, b"", PROTOBUF)).status == 200
    assert memory.producer.counts() == {}


async def test_a_span_over_the_limit_of_events_is_rejected_by_name() -> None:
    memory = MemoryGateway(event_bytes_max=2048)

    answer = await send(memory, request(span(1, attributes={"input.value": "x" * 3000}), span(2, parent=1)))

    assert "too large" in answer.json["partialSuccess"]["errorMessage"]
    assert memory.producer.counts() == {"traces": 1, "spans": 1, "dead-letters": 1}


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        (b"{", {}, 400, "not JSON"),
        (b"{}", {"Content-Encoding": "br"}, 400, "Content-Encoding"),
        (b"{}", {"Comet-Workspace": "w" * 5000}, 400, "Comet-Workspace"),
        (b" " * 3000, {}, 413, "larger than"),
    ],
)
async def test_a_request_that_cannot_be_read_is_refused_in_its_own_encoding(
    body: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    memory = MemoryGateway(body_bytes_max=2048, event_bytes_max=2048)

    by_json = await send(memory, body, JSON | headers)
    by_protobuf = await send(memory, b"\xff" if body == b"{" else body, PROTOBUF | headers)

    assert (by_json.status, by_protobuf.status) == (status, status)
    assert reason in by_json.json["message"]
    assert (reason if body != b"{" else "protobuf") in Status.FromString(by_protobuf.body).message
    assert by_protobuf.headers["content-type"] == "application/x-protobuf"


async def test_another_content_type_is_answered_415() -> None:
    answer = await send(MemoryGateway(), b"{}", {"Content-Type": "text/plain"})

    assert answer.status == 415
    assert "application/x-protobuf" in answer.json["message"]


@pytest.mark.parametrize("headers", [JSON, PROTOBUF])
async def test_overload_asks_exporters_to_come_back(headers: dict[str, str]) -> None:
    memory = MemoryGateway(in_flight_bytes_max=1024, retry_after_seconds=3)
    body = request(*(span(number) for number in range(1, 20)))

    answer = await send(memory, protobuf(body) if headers == PROTOBUF else body, headers)

    assert (answer.status, answer.headers["retry-after"]) == (503, "3")
    message = Status.FromString(answer.body).message if headers == PROTOBUF else answer.json["message"]
    assert "in flight" in message
    assert memory.gateway.budget.used == 0


async def test_without_kafka_exporters_come_back_too() -> None:
    memory = MemoryGateway(retry_after_seconds=3)
    memory.producer.break_down()

    answer = await send(memory, request(span()))

    assert (answer.status, answer.headers["retry-after"]) == (503, "3")
    assert memory.producer.counts() == {}


async def test_what_cannot_be_stored_as_text_is_replaced() -> None:
    memory = MemoryGateway()
    body = json.dumps(request(span(attributes={"input.value": "a\0b", "other": "c\ud83dd"})))

    await send(memory, body.encode())
    await send(memory, protobuf(request(span(attributes={"input.value": "a\0b"}))), PROTOBUF)

    by_json, by_protobuf = memory.producer.rows(SPANS)
    assert by_json["input"] == by_protobuf["input"] == '"a\ufffdb"'
    assert json.loads(by_json["metadata"])["other"] == "c\ufffdd"


@pytest.mark.parametrize("headers", [JSON, PROTOBUF])
async def test_more_spans_than_a_request_may_have_are_refused_and_nothing_of_them_is_kept(
    headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "SPANS_MAX", 2)
    memory = MemoryGateway()
    taken, refused = (request(*(span(number + 1) for number in range(count))) for count in (2, 3))

    answers = [
        await send(memory, protobuf(body) if headers == PROTOBUF else body, headers) for body in (taken, refused)
    ]

    assert [answer.status for answer in answers] == [200, 413]
    assert b"more than 2 spans" in answers[1].body
    assert memory.producer.counts()["spans"] == 2


@pytest.mark.parametrize("parent", [None, "no hex"])
async def test_what_all_spans_of_a_request_share_may_not_make_it_many_times_larger(parent: str | None) -> None:
    memory = MemoryGateway(body_bytes_max=60_000, event_bytes_max=60_000)
    spans = [span(number + 1, **({} if parent is None else {"parentSpanId": parent})) for number in range(20)]
    body = request(*spans, resource={"text": "x" * 10_000})

    answer = await send(memory, body)

    assert answer.status == 413
    assert "the events of a request" in answer.json["message"]
    assert memory.producer.counts() == {}
