"""Ids of ours from ids of OpenTelemetry: the same span gives the same id in every request and every process.

A span knows the id of its trace and of its parent, but not when they began, and it is often sent before they are, in a
request of its own. So no id can hold a time, as a UUIDv7 does; what is ordered by time goes by the times of traces.
"""

from typing import Final
from uuid import UUID, uuid5

from pipeline.errors import Malformed

TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8
_VERSION_CLEARED: Final = ~(0xF000 << 64 | 0xC000 << 48)
_VERSION_8: Final = 0x8000 << 64 | 0x8000 << 48


def trace_uuid(trace_id: bytes) -> UUID:
    """Return the id of a trace: its 16 bytes, of which version and variant are those of a UUIDv8 (RFC 9562, 5.8).

    The rest can be read as it stands in other tools. Raises Malformed for what is no valid trace id.
    """
    if len(trace_id) != TRACE_ID_BYTES or not any(trace_id):
        raise Malformed(f"traceId must be {TRACE_ID_BYTES} bytes, not all zero", field="traceId")
    return UUID(int=int.from_bytes(trace_id, "big") & _VERSION_CLEARED | _VERSION_8)


def span_uuid(trace: UUID, span_id: bytes, field: str = "spanId") -> UUID:
    """Return the id of a span, which is unique within its trace only: UUIDv5 of the trace's id and its 16 hex digits.

    Raises Malformed, naming `field`, for what is no valid span id.
    """
    if len(span_id) != SPAN_ID_BYTES or not any(span_id):
        raise Malformed(f"{field} must be {SPAN_ID_BYTES} bytes, not all zero", field=field)
    return uuid5(trace, span_id.hex())
