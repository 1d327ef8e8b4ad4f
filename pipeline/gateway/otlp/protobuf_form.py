"""Export requests in protobuf, as `opentelemetry-proto` defines them."""

import base64
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from pipeline.errors import Malformed
from pipeline.gateway.otlp.telemetry import Incoming, Origin, SpanEventSent, SpanSent
from pipeline.gateway.otlp.weight import check_protobuf

MEDIA_TYPE: Final = "application/x-protobuf"
_NUL: Final = "\0"
_REPLACEMENT: Final = "\ufffd"


def incoming(body: bytes) -> Iterator[Incoming]:
    """Yield the spans of a request.

    Raises Malformed before the first one where it is no such message, and TooLarge where it has too many parts.
    """
    check_protobuf(body, ExportTraceServiceRequest.DESCRIPTOR)
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise Malformed(f"not an ExportTraceServiceRequest in protobuf: {error}", field="body") from error
    for resource_spans in request.resource_spans:
        resource = attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            origin = Origin(resource, text(scope_spans.scope.name))
            for span in scope_spans.spans:
                yield Incoming(origin, partial(_span, span), partial(_alone, resource_spans, scope_spans, span))


def answer(rejected_spans: int, reason: str) -> bytes:
    """Return the answer to a request that was taken, but for `rejected_spans`."""
    if not rejected_spans:
        return b""
    partial_success = ExportTracePartialSuccess(rejected_spans=rejected_spans, error_message=reason)
    return ExportTraceServiceResponse(partial_success=partial_success).SerializeToString()


def failure(reason: str) -> bytes:
    """Return the Status that says why a request was not taken."""
    encoded: bytes = Status(message=reason).SerializeToString()
    return encoded


def text(value: str) -> str:
    """Return a string without NUL, which cannot be stored as text."""
    return value.replace(_NUL, _REPLACEMENT) if _NUL in value else value


def attributes(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    """Return attributes by name."""
    return {text(pair.key): value(pair.value) for pair in pairs}


def value(given: AnyValue) -> Any:
    """Return the value of an attribute; bytes as base64, as JSON has them."""
    match given.WhichOneof("value"):
        case "string_value":
            return text(given.string_value)
        case "array_value":
            return [value(item) for item in given.array_value.values]
        case "kvlist_value":
            return attributes(given.kvlist_value.values)
        case "bytes_value":
            return base64.b64encode(given.bytes_value).decode()
        case None:
            return None
        case kind:
            return getattr(given, kind)


def _span(span: trace_pb2.Span) -> SpanSent:
    return SpanSent(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=span.parent_span_id,
        name=text(span.name),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        kind=span.kind,
        flags=span.flags,
        is_error=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        status_message=text(span.status.message),
        attributes=attributes(span.attributes),
        events=tuple(
            SpanEventSent(text(event.name), event.time_unix_nano, attributes(event.attributes)) for event in span.events
        ),
        links=tuple((link.trace_id, link.span_id) for link in span.links),
    )


def _alone(resource_spans: trace_pb2.ResourceSpans, scope_spans: trace_pb2.ScopeSpans, span: trace_pb2.Span) -> bytes:
    scope = trace_pb2.ScopeSpans(scope=scope_spans.scope, spans=[span])
    resource = trace_pb2.ResourceSpans(resource=resource_spans.resource, scope_spans=[scope])
    return ExportTraceServiceRequest(resource_spans=[resource]).SerializeToString()
