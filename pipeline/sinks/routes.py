"""Which table takes a record, and as what row."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from pipeline.errors import TransientError, Undecodable
from pipeline.events.controls import CONTROL_KINDS
from pipeline.events.dead_letters import Origin
from pipeline.events.envelope import (
    HEADER_KIND,
    HEADER_REPLAYED_FROM,
    HEADER_SCHEMA_VERSION,
    SCHEMA_VERSION,
    Headers,
)
from pipeline.topics import ANNOTATIONS, DEAD_LETTERS, SCORES, SPANS, THREADS, TRACES


class NewerSchema(TransientError):
    """A record of a version that this process does not know: it waits for its own upgrade."""


@dataclass(frozen=True, slots=True, eq=False)  # each is one of the constants below: compared and hashed as such
class Table:
    """A table of events.

    `written_per_row` is what ClickHouse adds to `written_rows` for each row: itself and its copies by materialized
    views (None: not fixed). `counted_in` is where the rows of some offsets can be counted cheaply. `has_controls`: the
    topic that feeds it holds controls too.
    """

    name: str
    written_per_row: int | None = 1
    counted_in: str = ""
    has_controls: bool = False


TRACE_EVENTS: Final = Table("trace_events", written_per_row=None, counted_in="trace_fields", has_controls=True)
SPAN_EVENTS: Final = Table("span_events", counted_in="span_events")
SCORE_EVENTS: Final = Table("score_events", counted_in="score_events")
ANNOTATION_EVENTS: Final = Table("annotation_events", counted_in="annotation_events")
THREAD_EVENTS: Final = Table("thread_events", written_per_row=3, counted_in="thread_events")
DEAD_LETTER_EVENTS: Final = Table("dead_letters", counted_in="dead_letters")
CONTROLS: Final = Table("controls", counted_in="controls")

TABLES: Final = (
    TRACE_EVENTS, SPAN_EVENTS, SCORE_EVENTS, ANNOTATION_EVENTS, THREAD_EVENTS, DEAD_LETTER_EVENTS, CONTROLS,
)  # fmt: skip

_EVENTS: Final = {
    TRACES.name: (b"trace", TRACE_EVENTS),
    SPANS.name: (b"span", SPAN_EVENTS),
    SCORES.name: (b"score", SCORE_EVENTS),
    ANNOTATIONS.name: (b"annotation", ANNOTATION_EVENTS),
    THREADS.name: (b"thread", THREAD_EVENTS),
    DEAD_LETTERS.name: (b"dead-letter", DEAD_LETTER_EVENTS),
}
REPLAY_KIND: Final = "replay"
_CONTROLS: Final = frozenset(kind.encode() for kind in CONTROL_KINDS)


class _ControlRow(msgspec.Struct):
    topic: str
    kind: str
    key: str
    value: str


class Route(NamedTuple):
    """The table for a record, and where it stood first if it is a dead letter that was published again."""

    table: Table
    origin: Origin | None = None


class Router:
    """Decides for the records of one topic; it remembers the headers it has seen, which are few."""

    _REMEMBERED_MAX: Final = 64

    def __init__(self, topic: str) -> None:
        self._topic: Final = topic
        self._kind, self.events = _EVENTS[topic]
        self._seen: Final[dict[Headers, Route]] = {}

    def route(self, headers: Headers) -> Route:
        """Return where a record with these headers goes; a replayed one, however bad, to the table of events.

        Raises NewerSchema where it is of a version to come, and Undecodable where the headers are not as declared.
        """
        route = self._seen.get(headers)
        if route is not None:
            return route
        if (origin := _origin(headers)) is not None:
            return Route(self.events, origin)  # not remembered: each is seen once
        route = Route(self.table_of(headers))
        if len(self._seen) < self._REMEMBERED_MAX:
            self._seen[headers] = route
        return route

    def table_of(self, headers: Headers) -> Table:
        """Return the table for a record with these headers, wherever it stood first; raises as `route`."""
        return self._decide(dict(headers))

    def _decide(self, headers: dict[str, bytes]) -> Table:
        version = headers.get(HEADER_SCHEMA_VERSION) or b""
        if not version.isdigit():
            raise Undecodable(f"no {HEADER_SCHEMA_VERSION} in the headers")
        if int(version) > SCHEMA_VERSION:
            raise NewerSchema(f"{self._topic} has records of schema version {int(version)}, known is {SCHEMA_VERSION}")
        kind = headers.get(HEADER_KIND) or b""
        if kind == self._kind:
            return self.events
        if self._topic == TRACES.name and kind in _CONTROLS:
            return CONTROLS
        raise Undecodable(f"records of kind {kind.decode(errors='replace')!r} do not belong into {self._topic}")


def control_value(topic: str, headers: Headers, key: bytes | None, value: bytes | None) -> bytes:
    """Return the row of a control, as it stood, without its provenance. Bytes that are not UTF-8 become escapes."""
    kind = next(value for name, value in headers if name == HEADER_KIND)
    return msgspec.json.encode(_ControlRow(topic, kind.decode(), _text(key), _text(value)))


def replay_value(topic: str, origin: Origin) -> bytes:
    """Return the row that says, at the place of a replayed record, which dead letter it was."""
    return msgspec.json.encode(_ControlRow(topic, REPLAY_KIND, origin.letter_id, ""))


def _origin(headers: Headers) -> Origin | None:
    for name, value in headers:
        if name == HEADER_REPLAYED_FROM:
            try:
                return Origin.of_header(value)
            except ValueError as error:
                raise Undecodable(f"the header {HEADER_REPLAYED_FROM} is no place in a log") from error
    return None


def _text(content: bytes | None) -> str:
    return "" if content is None else content.decode(errors="backslashreplace")
