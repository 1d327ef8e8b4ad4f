"""Spans as exporters send them, for the tests of OTLP."""

import base64
import json
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

RECORDED = Path(__file__).parents[1] / "unit" / "gateway" / "otlp" / "recorded"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
START_NS = 1_700_000_000_000_000_000
START_US = START_NS // 1000
SECOND_NS = 1_000_000_000
SECOND_US = 1_000_000
LOCAL, REMOTE = 0x100, 0x300


def recorded(name: str) -> list[dict[str, Any]]:
    """Return what a real exporter has sent, request by request, as OTLP's JSON."""
    return [json.loads(line) for line in (RECORDED / f"{name}.jsonl").read_text().splitlines()]


def value_of(given: Any) -> dict[str, Any]:
    """Return an attribute's value as OTLP's JSON writes it."""
    if given is None:
        return {}
    if isinstance(given, list):
        return {"arrayValue": {"values": [value_of(item) for item in given]}}
    if isinstance(given, dict):
        return {"kvlistValue": {"values": pairs(given)}}
    names = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}
    return {names[type(given)]: str(given) if type(given) is int else given}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": value_of(given)} for name, given in attributes.items()]


def span(number: int = 1, *, parent: int | None = None, second: float = 0, lasts: float = 1, **more: Any) -> Any:
    """Return a span; `attributes` and those of `events` are plain objects."""
    attributes = pairs(more.pop("attributes", {}))
    events = [event | {"attributes": pairs(event["attributes"])} for event in more.pop("events", [])]
    start_ns = START_NS + int(second * SECOND_NS)
    return {
        "traceId": TRACE_ID,
        "spanId": f"{number:016x}",
        **({} if parent is None else {"parentSpanId": f"{parent:016x}"}),
        "name": f"span {number}",
        "kind": 1,
        "flags": LOCAL,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(start_ns + int(lasts * SECOND_NS)),
        "attributes": attributes,
        "events": events,
        "status": {},
        **more,
    }


def request(*spans: Any, resource: dict[str, Any] | None = None, scope: str = "tests") -> dict[str, Any]:
    scope_spans = [{"scope": {"name": scope}, "spans": list(spans)}]
    return {"resourceSpans": [{"resource": {"attributes": pairs(resource or {})}, "scopeSpans": scope_spans}]}


def protobuf(body: dict[str, Any]) -> bytes:
    """Return the same request in protobuf."""
    return json_format.ParseDict(_with_base64(body), ExportTraceServiceRequest()).SerializeToString()


def _with_base64(tree: Any) -> Any:
    """Return a request with its ids as the JSON mapping of protobuf wants them."""
    if isinstance(tree, list):
        return [_with_base64(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {
        name: base64_of(inside) if name in {"traceId", "spanId", "parentSpanId"} else _with_base64(inside)
        for name, inside in tree.items()
    }


def base64_of(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()
