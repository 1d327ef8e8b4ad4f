"""Spans of OpenTelemetry to span events. Every span becomes one, the root too: it may be the only call of a model."""

from typing import Any, Final
from uuid import UUID

import msgspec

from pipeline.errors import Malformed
from pipeline.events.spans import SpanEvent
from pipeline.gateway.opik.values import YEAR_2300_US, Reception, decimal
from pipeline.gateway.otlp.attributes import json_of
from pipeline.gateway.otlp.conventions import Meaning, meaning_of
from pipeline.gateway.otlp.ids import span_uuid, trace_uuid
from pipeline.gateway.otlp.telemetry import Attributes, Incoming, SpanSent
from pipeline.gateway.prices import SENDER, rated

_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
_EXCEPTION: Final = "exception"
_UNNAMED_ERROR: Final = "Error"


class Understood(msgspec.Struct, frozen=True, gc=False):
    """A span with what it means, and the event that it becomes."""

    sent: SpanSent
    meaning: Meaning
    event: SpanEvent


class Reading:
    """How the spans of one request are read: its workspace, and the project that a header names."""

    def __init__(self, reception: Reception, project_name: str | None) -> None:
        self.reception: Final = reception
        self._project_name: Final = project_name

    def understood(self, incoming: Incoming) -> Understood:
        """Return what a span says; raises Malformed that names the field at fault."""
        try:
            return self._understood(incoming)
        except RecursionError as error:
            raise Malformed("nested too deeply", field="nesting") from error

    def _understood(self, incoming: Incoming) -> Understood:
        sent = incoming.read()
        meaning = meaning_of(sent)
        trace = trace_uuid(sent.trace_id)
        start_us, end_us = microseconds(sent.start_ns, "startTimeUnixNano"), _end_us(sent)
        resource = incoming.origin.resource
        project, project_name = self.reception.project(_project_name(resource) or self._project_name, None)
        self.reception.key_text(meaning.thread_id, "thread_id")
        cost = decimal(meaning.cost, "cost")
        rates, rates_version = rated(meaning.model, meaning.provider, start_us, given=cost)
        event = SpanEvent(
            event="create",
            workspace=self.reception.workspace,
            version_us=start_us if end_us is None else max(start_us, end_us),
            received_at_us=self.reception.clock.now_us(),
            id=span_uuid(trace, sent.span_id),
            trace_id=trace,
            parent_span_id=None if sent.is_root else _parent(trace, sent),
            project_id=project,
            project_name=project_name,
            name=sent.name or None,
            type=meaning.type,
            start_time_us=start_us,
            end_time_us=end_us,
            input=meaning.input,
            output=meaning.output,
            metadata=json_of(meaning.rest | {"otel": _otel(incoming, sent)}),
            tags_added=meaning.tags,
            error_info=_error(sent),
            model=meaning.model,
            provider=meaning.provider,
            usage=meaning.usage,
            rates=rates,
            rates_version=rates_version,
            total_estimated_cost=cost,
            total_estimated_cost_version=None if cost is None else SENDER,
            ttft=meaning.ttft,
            environment=_text(resource, "deployment.environment.name") or _text(resource, "deployment.environment"),
        )
        return Understood(sent, meaning, event)


def microseconds(nanoseconds: int, field: str) -> int:
    """Return a moment in microseconds since 1970 UTC; raises Malformed at 1970, which means unset, and from 2300 on."""
    value = nanoseconds // 1000
    if not 0 < value < YEAR_2300_US:
        raise Malformed(f"{field} must be after 1970 and before 2300", field=field)
    return value


def _end_us(sent: SpanSent) -> int | None:
    return microseconds(sent.end_ns, "endTimeUnixNano") if sent.end_ns else None


def _parent(trace: UUID, sent: SpanSent) -> UUID:
    return span_uuid(trace, sent.parent_id, "parentSpanId")


def _text(attributes: Attributes, name: str) -> str | None:
    found = attributes.get(name)
    return found if isinstance(found, str) and found.strip() else None


def _project_name(resource: Attributes) -> str | None:
    return _text(resource, "openinference.project.name")


def _otel(incoming: Incoming, sent: SpanSent) -> dict[str, Any]:
    """Return what OpenTelemetry knows of a span and Opik has no field for."""
    known: dict[str, Any] = {
        "trace_id": sent.trace_id.hex(),
        "span_id": sent.span_id.hex(),
        "kind": _KINDS[sent.kind] if 0 <= sent.kind < len(_KINDS) else str(sent.kind),
        "scope": incoming.origin.scope,
        "resource": incoming.origin.resource,
    }
    if sent.events:
        known["events"] = [
            {"name": event.name, "time_unix_nano": event.at_ns, "attributes": event.attributes} for event in sent.events
        ]
    if sent.links:
        known["links"] = [{"trace_id": trace.hex(), "span_id": span.hex()} for trace, span in sent.links]
    return known


def _error(sent: SpanSent) -> str | None:
    """Return why a span failed, as Opik writes it: of its last exception where it tells one, else of its status."""
    if not sent.is_error:
        return None
    exceptions = [event.attributes for event in sent.events if event.name == _EXCEPTION]
    exception = exceptions[-1] if exceptions else {}
    kind = _text(exception, "exception.type") or _text(sent.attributes, "error.type") or _UNNAMED_ERROR
    return json_of(
        {
            "exception_type": kind,
            "message": _text(exception, "exception.message") or sent.status_message,
            "traceback": _text(exception, "exception.stacktrace") or "",
        }
    )
