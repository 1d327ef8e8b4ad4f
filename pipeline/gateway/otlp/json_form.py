"""Export requests in JSON: ids are hex, 64-bit numbers may be strings, and members that nobody knows are ignored.

(OTLP 1.x, "JSON Protobuf Encoding"; it differs from the JSON mapping of protobuf itself, whose ids are base64.)
"""

import binascii
import math
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Raw

from pipeline.errors import Malformed
from pipeline.gateway.opik.batch import decoded
from pipeline.gateway.otlp.telemetry import Attributes, Incoming, Origin, SpanEventSent, SpanSent
from pipeline.gateway.otlp.weight import check_json

MEDIA_TYPE: Final = "application/json"
_ERROR_CODES: Final = frozenset({2, "STATUS_CODE_ERROR"})
_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
_NO_OBJECT: Final = Raw(b"{}")
_UINT64_MAX: Final = 2**64 - 1


class AnyValue(msgspec.Struct, rename="camel"):
    """The value of an attribute: at most one of its members is given."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    array_value: "Values | None" = None
    kvlist_value: "Pairs | None" = None
    bytes_value: str | None = None


class KeyValue(msgspec.Struct):
    """An attribute."""

    key: str = ""
    value: AnyValue | None = None


class Values(msgspec.Struct):
    """A list of values."""

    values: list[AnyValue] = []


class Pairs(msgspec.Struct):
    """An object of values."""

    values: list[KeyValue] = []


class _Event(msgspec.Struct, rename="camel"):
    name: str = ""
    time_unix_nano: int | str = 0
    attributes: list[KeyValue] = []


class _Link(msgspec.Struct, rename="camel"):
    trace_id: str = ""
    span_id: str = ""


class _Status(msgspec.Struct):
    code: int | str = 0
    message: str = ""


class _Span(msgspec.Struct, rename="camel"):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str | None = None
    flags: int = 0
    name: str = ""
    kind: int | str = 0
    start_time_unix_nano: int | str = 0
    end_time_unix_nano: int | str = 0
    attributes: list[KeyValue] = []
    events: list[_Event] = []
    links: list[_Link] = []
    status: _Status | None = None


class _Resource(msgspec.Struct):
    attributes: list[KeyValue] = []


class _Scope(msgspec.Struct):
    name: str = ""


class _ScopeSpans(msgspec.Struct):
    scope: Raw = _NO_OBJECT
    spans: list[Raw] = []


class _ResourceSpans(msgspec.Struct, rename="camel"):
    resource: Raw = _NO_OBJECT
    scope_spans: list[_ScopeSpans] = []


class _Request(msgspec.Struct, rename="camel"):
    resource_spans: list[_ResourceSpans] = []


_REQUEST: Final = msgspec.json.Decoder(_Request)
_RESOURCE: Final = msgspec.json.Decoder(_Resource)
_SCOPE: Final = msgspec.json.Decoder(_Scope)
_SPAN: Final = msgspec.json.Decoder(_Span)


def incoming(body: bytes) -> Iterator[Incoming]:
    """Yield the spans of a request.

    Raises Malformed where it, a resource or a scope is not what OTLP says, and TooLarge where it has too many parts.
    """
    check_json(body)
    for resource_spans in decoded(_REQUEST, body).resource_spans:
        resource = attributes(decoded(_RESOURCE, bytes(resource_spans.resource)).attributes)
        for scope_spans in resource_spans.scope_spans:
            origin = Origin(resource, decoded(_SCOPE, bytes(scope_spans.scope)).name)
            for span in scope_spans.spans:
                alone = partial(_alone, resource_spans.resource, scope_spans.scope, span)
                yield Incoming(origin, partial(_span, span), alone)


def answer(rejected_spans: int, reason: str) -> bytes:
    """Return the answer to a request that was taken, but for `rejected_spans`."""
    if not rejected_spans:
        return b"{}"
    return msgspec.json.encode({"partialSuccess": {"rejectedSpans": str(rejected_spans), "errorMessage": reason}})


def failure(reason: str) -> bytes:
    """Return the Status that says why a request was not taken."""
    return msgspec.json.encode({"message": reason})


def attributes(pairs: list[KeyValue]) -> dict[str, Any]:
    """Return attributes by name; raises Malformed for a number that is none."""
    return {pair.key: None if pair.value is None else value(pair.value) for pair in pairs}


def value(given: AnyValue) -> Any:
    """Return the value of an attribute; bytes stay base64. Raises Malformed for a number that is none."""
    if given.string_value is not None:
        return given.string_value
    if given.int_value is not None:
        return _integer(given.int_value, "intValue")
    if given.double_value is not None:
        return _number(given.double_value)
    if given.array_value is not None:
        return [value(item) for item in given.array_value.values]
    if given.kvlist_value is not None:
        return attributes(given.kvlist_value.values)
    return given.bytes_value if given.bool_value is None else given.bool_value


def _span(raw: Raw) -> SpanSent:
    span = decoded(_SPAN, bytes(raw))
    return SpanSent(
        trace_id=_octets(span.trace_id, "traceId"),
        span_id=_octets(span.span_id, "spanId"),
        parent_id=_octets(span.parent_span_id or "", "parentSpanId"),
        name=span.name,
        start_ns=_integer(span.start_time_unix_nano, "startTimeUnixNano"),
        end_ns=_integer(span.end_time_unix_nano, "endTimeUnixNano"),
        kind=span.kind if isinstance(span.kind, int) else _kind(span.kind),
        flags=span.flags,
        is_error=span.status is not None and span.status.code in _ERROR_CODES,
        status_message="" if span.status is None else span.status.message,
        attributes=attributes(span.attributes),
        events=tuple(_event(event) for event in span.events),
        links=tuple((_octets(link.trace_id, "links"), _octets(link.span_id, "links")) for link in span.links),
    )


def _event(event: _Event) -> SpanEventSent:
    at_ns = _integer(event.time_unix_nano, "events.timeUnixNano")
    return SpanEventSent(event.name, at_ns, attributes(event.attributes))


def _kind(name: str) -> int:
    plain = name.removeprefix("SPAN_KIND_").lower()
    return _KINDS.index(plain) if plain in _KINDS else 0


def _octets(digits: str, field: str) -> bytes:
    try:
        return binascii.unhexlify(digits)
    except ValueError as error:
        raise Malformed(f"{field} must be hex digits, not {digits[:40]!r}", field=field) from error


def _integer(given: int | str, field: str) -> int:
    try:
        number = int(given)
    except ValueError as error:
        raise Malformed(f"{field} must be a whole number, not {str(given)[:40]!r}", field=field) from error
    if abs(number) > _UINT64_MAX:
        raise Malformed(f"{field} must have 64 bits, not more", field=field)
    return number


def _number(given: float | str) -> float | None:
    try:
        number = float(given)
    except ValueError as error:
        raise Malformed(f"doubleValue must be a number, not {str(given)[:40]!r}", field="doubleValue") from error
    return number if math.isfinite(number) else None


def _alone(resource: Raw, scope: Raw, span: Raw) -> bytes:
    inside: Attributes = {"resource": resource, "scopeSpans": [{"scope": scope, "spans": [span]}]}
    return msgspec.json.encode({"resourceSpans": [inside]})
