"""Records of `threads` for tests."""

from typing import Any, NamedTuple
from uuid import UUID

from pipeline.events.envelope import Headers
from pipeline.events.threads import ThreadEvent

LOG = UUID(int=5)
PROJECT = UUID(int=7)


class Read(NamedTuple):
    """A record as a consumer hands it out."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def closed(thread_id: str = "t", **fields: Any) -> ThreadEvent:
    given = {
        "workspace": "default", "version_us": 30, "received_at_us": 30, "project_id": PROJECT, "thread_id": thread_id,
        "thread_model_id": UUID(int=8), "event": "closed", "session_id": f"{LOG}:0:3", "session_log_id": LOG,
        "session_partition": 0, "first_offset": 3, "last_offset": 6, "opened_at_us": 10, "last_activity_at_us": 20,
        "closed_at_us": 30, "reason": "inactive", "activities": 2,
    }  # fmt: skip
    return ThreadEvent(**(given | fields))
