"""What every event carries beside its own fields.

Kafka headers say what a record is (`kind`, `schema-version`) and, for a command, where its answer goes. The sink adds
where the record stood (`log_id`, `log_partition`, `log_offset`, `appended_at_ms`) when it stores it; no event may
bring these itself.
"""

from functools import cache
from typing import Final, Literal

import msgspec

SCHEMA_VERSION: Final = 1

HEADER_KIND: Final = "kind"
HEADER_SCHEMA_VERSION: Final = "schema-version"
HEADER_REPLY_TO: Final = "reply-to"
HEADER_REQUEST_ID: Final = "request-id"
HEADER_REPLAYED_FROM: Final = "replayed-from"
"""On a dead letter that was published again: the place in the log where it stood before."""

SCHEMA_VERSION_HEADER: Final = (HEADER_SCHEMA_VERSION, str(SCHEMA_VERSION).encode())

Kind = Literal[
    "trace", "span", "score", "annotation", "thread", "reply", "dead-letter",
    "close", "open", "unscore", "delete", "setting", "tick", "rule",
]  # fmt: skip

Headers = tuple[tuple[str, bytes], ...]


@cache
def headers_of(kind: Kind) -> Headers:
    """Return the headers of an event of `kind`; `kind` comes first, so that readers find it without a search."""
    return ((HEADER_KIND, kind.encode()), SCHEMA_VERSION_HEADER)


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The fields that every stored event has.

    `version_us` orders the events of one thing: the client's `last_updated_at` where it sends one, else the time of
    receipt. Both are microseconds since 1970 UTC.
    """

    workspace: str
    version_us: int
    received_at_us: int


class Record(msgspec.Struct, frozen=True):
    """One record ready for a topic: key, value and headers as bytes; the partition where the key does not decide it.

    `workspace` is whose it is, for those who count or mask by it; it is not sent.
    """

    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None = None
    workspace: str | None = None


def record_of(event: Event, kind: Kind, key: bytes) -> Record:
    """Return `event` as the record that its topic takes."""
    return Record(key, msgspec.json.encode(event), headers_of(kind), workspace=event.workspace)
