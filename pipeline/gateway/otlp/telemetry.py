"""A span as OpenTelemetry means it, whichever way it was encoded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Attributes = Mapping[str, Any]
"""Attributes by name; a value is a string, a bool, a number, a list of values, an object of values, or None."""

REMOTE_KNOWN: Final = 0x100
REMOTE: Final = 0x200
"""Bits of `flags` (trace.proto): whether the parent's place is known, and whether it is another process."""


@dataclass(frozen=True, slots=True)
class SpanEventSent:
    """Something that happened at one moment of a span."""

    name: str
    at_ns: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class SpanSent:
    """One span of a request. Times are nanoseconds since 1970 UTC; ids are bytes, the parent's empty at a root."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    start_ns: int
    end_ns: int
    kind: int = 0
    flags: int = 0
    is_error: bool = False
    status_message: str = ""
    attributes: Attributes = field(default_factory=dict)
    events: tuple[SpanEventSent, ...] = ()
    links: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def is_root(self) -> bool:
        """Whether it has no parent at all."""
        return not self.parent_id

    @property
    def parent_is_local(self) -> bool | None:
        """Whether its parent is a span of the same process; None where its sender does not say."""
        return not self.flags & REMOTE if self.flags & REMOTE_KNOWN else None


@dataclass(frozen=True, slots=True)
class Origin:
    """What sent a span: the attributes of its resource, and the name of its instrumentation."""

    resource: Attributes
    scope: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """One span of a request that has not been looked at yet."""

    origin: Origin
    read: Callable[[], SpanSent]
    """Returns the span; raises Malformed."""
    alone: Callable[[], bytes]
    """Returns a request that holds this span alone, in the encoding in which it came, to be set aside."""
