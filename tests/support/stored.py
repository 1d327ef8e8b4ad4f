"""Events in storage as the sink puts them there: the real rows, the real views, the real fold, without Kafka."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec
import uuid_utils.compat as uuids

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.annotations import AnnotationEvent
from pipeline.events.envelope import Event
from pipeline.events.identity import project_id, session_id, thread_model_id
from pipeline.events.scores import EntityType, ScoreEvent
from pipeline.events.spans import SpanEvent
from pipeline.events.threads import ThreadEvent
from pipeline.events.traces import TraceEvent
from pipeline.sinks.fold import fold
from pipeline.sinks.ranges import covering

BEGAN_US = 1_760_000_000_000_000
SECOND_US = 1_000_000
TABLES = {
    TraceEvent: "trace_events",
    SpanEvent: "span_events",
    ScoreEvent: "score_events",
    AnnotationEvent: "annotation_events",
    ThreadEvent: "thread_events",
}


class Place(NamedTuple):
    """Where an event stands in its log, and when it was appended."""

    partition: int
    offset: int
    appended_at_ms: int


def uuid7_at(time_us: int, number: int) -> UUID:
    """Return a UUIDv7 of that time; `number` makes it one of many."""
    return UUID(int=(time_us // 1000) << 80 | 7 << 76 | 2 << 62 | number)


class Log:
    """One partition of one log in one workspace: each event said gets the next offset and a time one second later."""

    def __init__(self, workspace: str, project: str = "Support") -> None:
        self.workspace = workspace
        self.project_name = project
        self.project = project_id(workspace, project)
        self.log_id = UUID(str(uuids.uuid7()))
        self.offset = -1
        self.now_us = BEGAN_US
        self._events: list[tuple[int, Event]] = []

    def say(self, kind: type[Event], **fields: Any) -> int:
        """Append an event and return its offset."""
        self.offset += 1
        self.now_us += SECOND_US
        times = {"workspace": self.workspace, "version_us": self.now_us, "received_at_us": self.now_us}
        self._events.append((self.offset, kind(**(times | fields))))
        return self.offset

    def trace(self, thread_id: str | None = None, *, id: UUID | None = None, **fields: Any) -> UUID:  # noqa: A002
        """Append a complete trace, or with `event` something else, and return its id; payloads go in as objects."""
        identity = id or uuid7_at(self.now_us + SECOND_US, self.offset + 1)
        texts = {name: msgspec.json.encode(fields.pop(name)).decode() for name in _PAYLOADS & fields.keys()}
        times = {"start_time_us": self.now_us, "end_time_us": self.now_us + SECOND_US // 2}
        whole: dict[str, Any] = {"event": "create", "project_id": self.project, "project_name": self.project_name}
        if fields.get("event", "create") != "create":
            whole = times = {}
        self.say(TraceEvent, id=identity, thread_id=thread_id, **(whole | times | fields | texts))
        return identity

    def span(self, trace_id: UUID, **fields: Any) -> UUID:
        """Append a span and return its id."""
        identity = uuid7_at(self.now_us, self.offset + 1)
        texts = {name: msgspec.json.encode(fields.pop(name)).decode() for name in _PAYLOADS & fields.keys()}
        named = {"event": "create", "project_id": self.project, "project_name": self.project_name}
        times = {"start_time_us": self.now_us, "end_time_us": self.now_us + 1500}
        self.say(SpanEvent, id=identity, trace_id=trace_id, **(named | times | fields | texts))
        return identity

    def opened(self, thread_id: str, first_offset: int) -> None:
        """Append that a session was opened by the record at `first_offset`."""
        self._session("opened", thread_id, first_offset, first_offset, None, None)

    def closed(
        self, thread_id: str, first_offset: int, last_offset: int, *,
        reason: Literal["inactive", "requested", "deleted"] = "inactive",
    ) -> None:  # fmt: skip
        """Append that the session which began at `first_offset` was closed now."""
        self._session("closed", thread_id, first_offset, last_offset, self.now_us + SECOND_US, reason)

    def score(self, entity: EntityType, identity: UUID, name: str, value: str | None, **fields: Any) -> int:
        """Append a score, or its deletion where `value` is None, and return its offset."""
        given = {"event": "delete"} if value is None else {"event": "set", "value": value, "source": "sdk"}
        decided = {"decided_log_id": self.log_id, "decided_offset": self.offset + 1} if entity == "thread" else {}
        whole = {"entity_type": entity, "entity_id": identity, "name": name} | given | decided | fields
        return self.say(ScoreEvent, **whole)

    def annotate(self, entity: str, identity: UUID, annotation: str, **fields: Any) -> int:
        """Append tags, a comment or a display name."""
        whole = {"entity_type": entity, "entity_id": identity, "annotation": annotation, "event": "set"} | fields
        return self.say(AnnotationEvent, **whole)

    def model(self, thread_id: str) -> UUID:
        """Return the model id of a thread of this project."""
        return thread_model_id(self.project, thread_id)

    async def store(self, client: ClickHouse, *, folding: bool = True) -> None:
        """Insert what was said since the last time, and fold it, as a sink does next."""
        by_table: dict[str, list[tuple[Place, bytes]]] = {}
        for offset, event in self._events:
            place = Place(0, offset, event.received_at_us // 1000)
            by_table.setdefault(TABLES[type(event)], []).append((place, self._line(place, event)))
        self._events.clear()
        for table, rows in by_table.items():
            written = await client.insert_lines(table, [line for _, line in rows], token=None)
            assert written >= len(rows), "views count too, so it may be more"
            if folding:
                await fold(client, table, covering(self.log_id, table, [place for place, _ in rows]))

    def _line(self, place: Place, event: Event) -> bytes:
        row: Mapping[str, Any] = msgspec.json.decode(msgspec.json.encode(event))
        provenance = {
            "log_id": str(self.log_id), "log_partition": place.partition, "log_offset": place.offset,
            "appended_at_ms": place.appended_at_ms,
        }  # fmt: skip
        return msgspec.json.encode({**provenance, **row})

    def _session(
        self, event: str, thread_id: str, first: int, last: int, closed_at_us: int | None, reason: str | None
    ) -> None:
        self.say(
            ThreadEvent,
            project_id=self.project, thread_id=thread_id, thread_model_id=self.model(thread_id), event=event,
            session_id=session_id(self.log_id, 0, first), session_log_id=self.log_id, session_partition=0,
            first_offset=first, last_offset=last, opened_at_us=BEGAN_US + (first + 1) * SECOND_US,
            last_activity_at_us=BEGAN_US + (last + 1) * SECOND_US, closed_at_us=closed_at_us, reason=reason,
            activities=1,
        )  # fmt: skip


_PAYLOADS = {"input", "output", "metadata", "error_info"}
