from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.errors import Malformed, TooLarge
from pipeline.gateway.otlp import json_form, protobuf_form, weight
from pipeline.gateway.otlp.weight import LIGHT_BYTES_MAX, PARTS_MAX, check_protobuf
from tests.support.otlp import pairs, recorded, span

DESCRIPTOR = ExportTraceServiceRequest.DESCRIPTOR
RESOURCE_SPANS, SCOPE_SPANS, SPANS = b"\x0a", b"\x12", b"\x12"


def varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def field(tag: bytes, content: bytes) -> bytes:
    return tag + varint(len(content)) + content


def request(*spans: Any, **resource: Any) -> bytes:
    inside = {"resource": {"attributes": pairs(resource)}, "scopeSpans": [{"scope": {"name": "s"}, "spans": spans}]}
    message = json_format.ParseDict({"resourceSpans": [inside]}, ExportTraceServiceRequest())
    encoded: bytes = message.SerializeToString()
    return encoded


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], int]:
    """Return how many parts a body has: the smallest bound under which it is taken."""
    monkeypatch.setattr(weight, "LIGHT_BYTES_MAX", 0)

    def counted(body: bytes) -> int:
        for bound in range(10_000):
            monkeypatch.setattr(weight, "PARTS_MAX", bound)
            try:
                check_protobuf(body, DESCRIPTOR)
            except TooLarge:
                continue
            return bound
        raise AssertionError("it has no end")

    return counted


def test_every_message_is_a_part_and_nothing_else_is(count: Callable[[bytes], int]) -> None:
    base = count(request())
    looks_like_parts = field(SPANS, b"").decode() * 20
    nested = span(attributes={"a": [1, {"b": [2.5, None]}], "c": looks_like_parts})

    assert base == 4  # resource spans, resource, scope spans, scope
    assert count(request(span())) == base + 2  # with its status
    assert count(request(span(), a=1)) == base + 4  # a pair and its value
    # "c" and its value; "a", its value, the list, 1, an object with its pairs, one, its value, a list, two in it
    assert count(request(nested)) == base + 2 + 2 + 11
    assert count(request(span(events=[{"name": "e", "attributes": {"a": 1}}]))) == base + 2 + 3


def test_what_real_exporters_send_is_far_from_the_bound(count: Callable[[bytes], int]) -> None:
    [first, *_] = recorded("openai-v2")
    body = json_format.ParseDict(first, ExportTraceServiceRequest()).SerializeToString()

    assert 0 < count(body) < PARTS_MAX / 100


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(field(RESOURCE_SPANS, field(SCOPE_SPANS, field(SPANS, b"") * (PARTS_MAX * 2))), id="spans"),
        pytest.param(field(RESOURCE_SPANS, b"") * (PARTS_MAX * 2), id="resources"),
    ],
)
def test_a_body_of_too_many_parts_is_refused_before_it_is_decoded(body: bytes) -> None:
    with pytest.raises(TooLarge, match="more than 1,000,000 spans"):
        next(protobuf_form.incoming(body))


def test_a_json_body_of_too_many_parts_is_refused_before_it_is_decoded() -> None:
    body = b'{"resourceSpans":[%b{}]}' % (b"{}," * (PARTS_MAX * 2))

    with pytest.raises(TooLarge, match="more than 1,000,000 spans"):
        next(json_form.incoming(body))


HEAVY = field(b"\x7a", b" " * LIGHT_BYTES_MAX)
"""A field that nobody knows, which makes a body large enough to be looked at."""


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(b"\x0a\x05ab", id="cut"),
        pytest.param(b"\x0a", id="cut in a length"),
        pytest.param(field(RESOURCE_SPANS, b"\x12\x09abc"), id="a part that is longer than what it is in"),
        pytest.param(b"\x0b\x0c", id="a group"),
        pytest.param(b"\x0a" + b"\xff" * 11, id="a length without end"),
        pytest.param(b"\x09abc", id="a cut number"),
    ],
)
def test_what_is_no_protobuf_is_malformed(end: bytes) -> None:
    with pytest.raises(Malformed, match="not an ExportTraceServiceRequest"):
        check_protobuf(HEAVY + end, DESCRIPTOR)


def test_a_large_body_with_numbers_of_every_kind_is_taken() -> None:
    check_protobuf(HEAVY + request(span(), a=1.5) + b"\x7d\x01\x02\x03\x04" + b"\x78\xff\xff\x01", DESCRIPTOR)
