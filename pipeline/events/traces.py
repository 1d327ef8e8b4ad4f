"""A trace was created, patched or deleted.

A trace is the fold of its events, field by field: of the events that name a field, the one with the largest
(version_us, content hash) counts. Absent fields say nothing; no event can set a field back to null.
"""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from pipeline.events.envelope import Event, Record, record_of
from pipeline.events.identity import DEFAULT_PROJECT_NAME, ThreadRef, project_id, thread_key

JsonText = Annotated[str, Meta(description="JSON text, as the producer wrote it")]


class TraceEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What one request said of a trace. Times are microseconds since 1970 UTC; ttft is milliseconds."""

    id: UUID
    event: Literal["create", "patch", "delete"]
    project_id: UUID | None = None
    project_name: str | None = None
    thread_id: str | None = None
    name: str | None = None
    start_time_us: int | None = None
    end_time_us: int | None = None
    input: JsonText | None = None
    output: JsonText | None = None
    metadata: JsonText | None = None
    tags_reset: bool = False
    tags_added: tuple[str, ...] = ()
    tags_removed: tuple[str, ...] = ()
    error_info: JsonText | None = None
    ttft: float | None = None
    source: str | None = None
    environment: str | None = None

    def thread(self) -> ThreadRef | None:
        """Return the thread that this event is activity of, or None where it names none."""
        if self.thread_id is None or self.event == "delete":
            return None
        project = self.project_id or project_id(self.workspace, DEFAULT_PROJECT_NAME)
        return ThreadRef(self.workspace, project, self.thread_id)

    def record(self) -> Record:
        """Return the record for the topic `traces`: keyed by the thread where it is known, else by the trace."""
        thread = self.thread()
        return record_of(self, "trace", str(self.id).encode() if thread is None else thread_key(thread))


TRACE_DECODER = msgspec.json.Decoder(TraceEvent)
