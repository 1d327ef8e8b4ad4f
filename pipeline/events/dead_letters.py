"""An event that could not be processed: its bytes, where it stood and why."""

import base64
from typing import Literal, NamedTuple
from uuid import UUID

from pipeline.events.envelope import HEADER_REPLAYED_FROM, Event, Headers, Record, record_of

Stage = Literal["gateway", "stream", "sinks", "evaluators"]


class Origin(NamedTuple):
    """Where a record first stood, and when it was appended there: what its row carries however often it is replayed."""

    log_id: UUID
    partition: int
    offset: int
    appended_at_ms: int

    def header(self) -> tuple[str, bytes]:
        """Return the header that a replayed record carries."""
        return HEADER_REPLAYED_FROM, f"{self.letter_id}:{self.appended_at_ms}".encode()

    @property
    def letter_id(self) -> str:
        """The id of the dead letter that the record became; however often it became one."""
        return f"{self.log_id}:{self.partition}:{self.offset}"

    @classmethod
    def of_header(cls, value: bytes) -> "Origin":
        """Return what `header` made; raises ValueError for anything else."""
        log_id, *numbers = value.decode().split(":")
        partition, offset, appended_at_ms = map(int, numbers)
        return cls(UUID(log_id), partition, offset, appended_at_ms)


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
