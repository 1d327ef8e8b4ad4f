"""The JSON Schemas of what flows, made from the definitions; `schemas/events` holds them for other languages."""

from typing import Any, Final

import msgspec

from pipeline.events.annotations import AnnotationEvent
from pipeline.events.controls import Command, LogBirth, Setting
from pipeline.events.dead_letters import DeadLetter
from pipeline.events.envelope import SCHEMA_VERSION
from pipeline.events.rules import Rule
from pipeline.events.scores import ScoreEvent
from pipeline.events.spans import SpanEvent
from pipeline.events.threads import CommandReply, ThreadEvent
from pipeline.events.traces import TraceEvent

_FILES: Final[dict[str, type[msgspec.Struct]]] = {
    "trace": TraceEvent,
    "span": SpanEvent,
    "score": ScoreEvent,
    "annotation": AnnotationEvent,
    "thread": ThreadEvent,
    "command": Command,
    "setting": Setting,
    "command_reply": CommandReply,
    "dead_letter": DeadLetter,
    "log_birth": LogBirth,
    "rule": Rule,
}


def documents() -> dict[str, bytes]:
    """Return every schema document by its file name."""
    return {f"{name}.v{SCHEMA_VERSION}.json": _document(struct) for name, struct in _FILES.items()}


def _document(struct: type[msgspec.Struct]) -> bytes:
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **msgspec.json.schema(struct),
    }
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"
