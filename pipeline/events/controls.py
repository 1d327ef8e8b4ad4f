"""Controls of the log of threads: commands, settings and ticks; they stand in the topic `traces`, in order with it.

A command is keyed by its thread and names, in its headers, the partition of `thread-replies` and the request that wait
for the answer. Settings and ticks are written to a partition, not to a key.
"""

from typing import Final, Literal
from uuid import UUID

import msgspec

from pipeline.events.envelope import HEADER_REPLY_TO, HEADER_REQUEST_ID, Headers, Kind, Record, headers_of
from pipeline.events.identity import ThreadRef, thread_key
from pipeline.events.scores import ScoreEvent

CommandKind = Literal["close", "open", "delete", "score", "unscore"]
ScoreRegime = Literal["strict", "lenient"]

COMMAND_KINDS: Final[frozenset[str]] = frozenset({"close", "open", "delete", "score", "unscore"})
CONTROL_KINDS: Final[frozenset[str]] = COMMAND_KINDS | {"setting", "tick"}


class ReplyTo(msgspec.Struct, frozen=True):
    """Where the answer to a command goes: a partition of `thread-replies`, and the request that waits for it."""

    partition: int
    request_id: str

    def headers(self) -> Headers:
        """Return the headers that carry this."""
        return ((HEADER_REPLY_TO, str(self.partition).encode()), (HEADER_REQUEST_ID, self.request_id.encode()))


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A wish about a thread, which the stream may refuse. `score` is what a `score` or `unscore` asks for."""

    requested_at_us: int
    project_name: str | None = None
    score: ScoreEvent | None = None

    def record(self, kind: CommandKind, thread: ThreadRef, reply_to: ReplyTo | None) -> Record:
        """Return the record for the topic `traces`."""
        headers = headers_of(kind) + (reply_to.headers() if reply_to else ())
        return Record(thread_key(thread), msgspec.json.encode(self), headers, workspace=thread.workspace)


class Setting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The timeout, and the score regime, of one workspace, or of all that have none of their own (`workspace` None).

    A value of None takes the workspace's own value back. The latest `requested_at_us` counts, of equal ones the last in
    the log. What Opik's pages keep in a workspace, `truncation_on_tables`
    and `color_map`, is kept for those who ask for it; no stage acts on it.
    """

    workspace: str | None = None
    requested_at_us: int = 0
    timeout_ms: int | None = None
    score_regime: ScoreRegime | None = None
    truncation_on_tables: bool | None = None
    color_map: dict[str, str] | None = None

    def record(self, partition: int) -> Record:
        """Return the record for one partition of the topic `traces`; it must be written to every one."""
        return Record(None, msgspec.json.encode(self), headers_of("setting"), partition, self.workspace)


COMMAND_DECODER = msgspec.json.Decoder(Command)
SETTING_DECODER = msgspec.json.Decoder(Setting)


def tick_record(partition: int) -> Record:
    """Return the record that carries nothing but the broker's time of appending it."""
    kind: Kind = "tick"
    return Record(None, b"", headers_of(kind), partition)


class LogBirth(msgspec.Struct, frozen=True, kw_only=True):
    """When a topic was created it got this id; a topic created anew gets another one."""

    log_id: UUID
    topic: str
    created_at_us: int
