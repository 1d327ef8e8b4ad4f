import json
from typing import Any

import pytest

from pipeline.errors import Malformed
from pipeline.gateway.otlp.json_form import answer, failure, incoming
from pipeline.gateway.otlp.telemetry import SpanSent
from tests.support.otlp import START_NS, TRACE_ID, request, span


def read(body: Any) -> list[SpanSent]:
    return [found.read() for found in incoming(json.dumps(body).encode())]


def test_a_span_is_read_with_everything_that_counts() -> None:
    attributes = {"s": "x", "b": True, "i": 7, "d": 0.5, "l": ["a", 1], "o": {"k": None}}
    event = {"name": "e", "timeUnixNano": "5", "attributes": {"a": 1}}
    links = [{"traceId": TRACE_ID, "spanId": "00000000000000ff"}]
    sent = span(2, parent=1, attributes=attributes, events=[event], links=links, status={"code": 2, "message": "no"})

    [found] = read(request(sent))

    assert (found.trace_id.hex(), found.span_id.hex(), found.parent_id.hex()) == (TRACE_ID, f"{2:016x}", f"{1:016x}")
    assert (found.name, found.kind, found.flags, found.start_ns) == ("span 2", 1, 0x100, START_NS)
    assert dict(found.attributes) == attributes
    assert [(one.name, one.at_ns, one.attributes) for one in found.events] == [("e", 5, {"a": 1})]
    assert found.links == ((bytes.fromhex(TRACE_ID), bytes([0] * 7 + [0xFF])),)
    assert (found.is_error, found.status_message) == (True, "no")


def test_numbers_may_be_strings_or_not_and_unknown_members_are_ignored() -> None:
    value = {"intValue": 7, "unknown": {"deep": [1]}}
    odd = span(startTimeUnixNano=START_NS, kind="SPAN_KIND_CLIENT", status={"code": "STATUS_CODE_ERROR"}) | {
        "attributes": [{"key": "i", "value": value}, {"key": "none"}, {"key": "f", "value": {"doubleValue": "NaN"}}],
        "somethingNew": 1,
    }

    [found] = read(request(odd))

    assert (found.start_ns, found.kind, found.is_error) == (START_NS, 3, True)
    assert found.attributes == {"i": 7, "none": None, "f": None}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"traceId": "CvdlGRbNQ92ESOshHIAxnA=="}, "traceId"),
        ({"spanId": "abc"}, "spanId"),
        ({"startTimeUnixNano": "soon"}, "startTimeUnixNano"),
        ({"endTimeUnixNano": "9" * 30}, "endTimeUnixNano"),
        ({"attributes": [{"key": "i", "value": {"intValue": "x"}}]}, "intValue"),
        ({"attributes": [{"key": "d", "value": {"doubleValue": "x"}}]}, "doubleValue"),
        ({"attributes": {"a": 1}}, "attributes"),
        ({"name": 7}, "name"),
    ],
)
def test_a_faulty_span_is_named_and_its_neighbour_is_read(wrong: dict[str, Any], field: str) -> None:
    faulty, good = incoming(json.dumps(request(span() | wrong, span(2))).encode())

    with pytest.raises(Malformed) as refused:
        faulty.read()

    assert refused.value.field == field
    assert good.read().name == "span 2"


def test_a_span_set_aside_can_be_sent_again_alone() -> None:
    body = request(span(1), span(2), resource={"service.name": "s"}, scope="lib")

    _, second = incoming(json.dumps(body).encode())
    [again] = incoming(second.alone())

    assert again.read() == second.read()
    assert again.origin == second.origin


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"resourceSpans": 1}', b'{"resourceSpans": [{"resource": 1}]}'])
def test_what_is_no_request_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(Malformed):
        list(incoming(body))


def test_answers_are_as_otlp_writes_them() -> None:
    assert answer(0, "") == b"{}"
    assert json.loads(answer(2, "why")) == {"partialSuccess": {"rejectedSpans": "2", "errorMessage": "why"}}
    assert json.loads(failure("why")) == {"message": "why"}
