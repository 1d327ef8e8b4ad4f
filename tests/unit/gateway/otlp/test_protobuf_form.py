import json

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from pipeline.errors import Malformed
from pipeline.gateway.otlp import json_form
from pipeline.gateway.otlp.protobuf_form import answer, failure, incoming
from tests.support.otlp import TRACE_ID, protobuf, recorded, request, span


@pytest.mark.parametrize("name", ["openai-v2", "openinference-langchain"])
def test_what_real_instrumentations_send_reads_the_same_in_both_encodings(name: str) -> None:
    for body in recorded(name):
        by_json = list(json_form.incoming(json.dumps(body).encode()))
        by_protobuf = list(incoming(protobuf(body)))

        assert [one.read() for one in by_protobuf] == [one.read() for one in by_json]
        assert [one.origin for one in by_protobuf] == [one.origin for one in by_json]


def test_values_of_every_type_are_read() -> None:
    attributes = {"s": "x\0y", "b": False, "i": -7, "d": 0.5, "l": ["a", [1]], "o": {"k": {"n": None}}, "n": None}
    sent = span(attributes=attributes, links=[{"traceId": TRACE_ID, "spanId": f"{5:016x}"}])
    sent["attributes"].append({"key": "bytes", "value": {"bytesValue": "AAE="}})

    [found] = incoming(protobuf(request(sent)))

    assert found.read().attributes == attributes | {"s": "x\ufffdy", "bytes": "AAE="}
    assert found.read().links == ((bytes.fromhex(TRACE_ID), bytes([0] * 7 + [5])),)


def test_a_span_set_aside_can_be_sent_again_alone() -> None:
    _, second = incoming(protobuf(request(span(1), span(2), resource={"service.name": "s"}, scope="lib")))
    [again] = incoming(second.alone())

    assert (again.read(), again.origin) == (second.read(), second.origin)


def test_what_is_no_request_is_refused_as_a_whole() -> None:
    with pytest.raises(Malformed, match="protobuf"):
        list(incoming(b"\xff\xff\xff"))


def test_answers_are_as_otlp_writes_them() -> None:
    assert answer(0, "") == b""
    partial = ExportTraceServiceResponse.FromString(answer(2, "why")).partial_success
    assert (partial.rejected_spans, partial.error_message) == (2, "why")
    assert Status.FromString(failure("why")).message == "why"
