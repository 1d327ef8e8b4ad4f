"""An event that could not be processed: its bytes, where it stood and why."""

import base64
from typing import Literal
from uuid import UUID

from pipeline.events.envelope import Event, Headers, Record, record_of

Stage = Literal["gateway", "stream", "sinks", "evaluators"]


class DeadLetter(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What was set aside. `key`, `value` and header values are base64 of the original bytes.

    From the gateway, `value` is the item of the request as it came and `origin_*` are absent. `code` is ClickHouse's
    error code where it gave one.
    """

    stage: Stage
    reason: str
    code: int = 0
    topic: str
    origin_log_id: UUID | None = None
    origin_partition: int | None = None
    origin_offset: int | None = None
    key: str | None = None
    value: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def record(self, key: bytes | None) -> Record:
        """Return the record for the topic `dead-letters`, under the original key."""
        return record_of(self, "dead-letter", key or b"")


def text_of(original: bytes | None) -> str | None:
    """Return bytes in the form in which a dead letter keeps them."""
    return None if original is None else base64.b64encode(original).decode()


def bytes_of(text: str | None) -> bytes | None:
    """Return the original bytes of what a dead letter keeps."""
    return None if text is None else base64.b64decode(text)


def headers_text(headers: Headers) -> tuple[tuple[str, str], ...]:
    """Return headers in the form in which a dead letter keeps them."""
    return tuple((name, base64.b64encode(value).decode()) for name, value in headers)
