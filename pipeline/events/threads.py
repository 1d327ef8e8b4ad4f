"""A session of a thread opened or closed, or a command about a thread was refused; and the answers to commands.

These follow from the records of one partition of `traces` alone, so a repeated one has the same id and content.
"""

from typing import Literal
from uuid import UUID

import msgspec

from pipeline.events.envelope import Event, Record, headers_of, record_of
from pipeline.events.identity import ThreadRef, thread_key

CloseReason = Literal["inactive", "requested", "deleted"]


class ThreadEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a thread's session.

    `session_id` = log id, partition and offset of its first record; `first_offset` and `last_offset` span its
    activity in that partition; a session that was carried over from a log that is lost may have its last activity in
    `last_log_id`, another log than `session_log_id`. Times are log times, in microseconds since 1970 UTC:
    `closed_at_us` of a session closed for inactivity is its deadline. `activities` counts the events that moved its
    deadline, the first one included.
    """

    project_id: UUID
    thread_id: str
    thread_model_id: UUID
    event: Literal["opened", "closed", "refused"]
    session_id: str
    session_log_id: UUID
    session_partition: int
    first_offset: int
    last_offset: int
    last_log_id: UUID | None = None
    opened_at_us: int
    last_activity_at_us: int
    closed_at_us: int | None = None
    reason: CloseReason | Literal["thread_open"] | None = None
    activities: int = 0

    def record(self) -> Record:
        """Return the record for the topic `threads`."""
        return record_of(self, "thread", thread_key(ThreadRef(self.workspace, self.project_id, self.thread_id)))

    def record_beside(self, key: bytes, partition: int) -> Record:
        """Return the record for who read of the thread under `key`, in the partition with the number of that log's.

        The two topics have equally many partitions. For who writes a great many this spares spelling and hashing keys.
        """
        return Record(key, msgspec.json.encode(self), headers_of("thread"), partition)


class CommandReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the stream decided on one command: `applied`, `ignored` (nothing to do) or `refused`."""

    request_id: str
    outcome: Literal["applied", "ignored", "refused"]
    reason: str | None = None

    def record(self, partition: int) -> Record:
        """Return the record for `partition` of the topic `thread-replies`."""
        return Record(None, msgspec.json.encode(self), headers_of("reply"), partition)


THREAD_DECODER = msgspec.json.Decoder(ThreadEvent)
REPLY_DECODER = msgspec.json.Decoder(CommandReply)
