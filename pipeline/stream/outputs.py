"""Outputs of the lifecycle as records of the topics `threads`, `scores` and `thread-replies`."""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol
from uuid import UUID

from pipeline.events.envelope import Record
from pipeline.events.identity import parse_thread_key, session_id, thread_model_id
from pipeline.events.scores import ScoreEvent
from pipeline.events.threads import ThreadEvent
from pipeline.stream.partition import Answer, Output, Partition, SessionChange
from pipeline.stream.thread_state import extent_of
from pipeline.topics import SCORES, THREAD_REPLIES, THREADS, Topic


class Publisher(Protocol):
    """Makes records durable."""

    async def publish(self, topic: Topic, records: Sequence[Record]) -> None:
        """Publish `records` in order per partition; return when the broker has all of them."""


def thread_event(change: SessionChange, *, log_id: UUID, partition: int) -> ThreadEvent:
    """Return the event that tells of a change; its content follows from the log, so a repeated one is the same.

    Log times are whole milliseconds. A close is versioned one microsecond later than its time, so that it is newer than
    an opening at the same log time.
    """
    thread = parse_thread_key(change.key)
    session = change.session
    extent = extent_of(session, log_id=log_id, partition=partition)
    is_close = change.event == "closed"
    return ThreadEvent(
        workspace=thread.workspace,
        version_us=change.at_us + is_close,
        received_at_us=change.at_us,
        project_id=thread.project_id,
        thread_id=thread.thread_id,
        thread_model_id=thread_model_id(thread.project_id, thread.thread_id),
        event=change.event,
        session_id=session_id(extent.log_id, extent.partition, extent.first_offset),
        session_log_id=extent.log_id,
        session_partition=extent.partition,
        first_offset=extent.first_offset,
        last_offset=extent.last_offset,
        last_log_id=None if extent.last_log_id == extent.log_id else extent.last_log_id,
        opened_at_us=session.opened_at_us,
        last_activity_at_us=session.last_activity_at_us,
        closed_at_us=change.at_us if is_close else None,
        reason=change.reason,
        activities=session.activities,
    )


class Outbox:
    """The records that some outputs make, by topic."""

    def __init__(self, partition: Partition, *, reply_partitions: int) -> None:
        self._partition: Final = partition
        self._reply_partitions: Final = reply_partitions
        self.records: Final[dict[Topic, list[Record]]] = {THREADS: [], SCORES: [], THREAD_REPLIES: []}

    def add(self, outputs: Iterable[Output]) -> None:
        """Encode outputs. An answer for a partition that does not exist is counted and dropped: nobody reads it."""
        for output in outputs:
            if isinstance(output, SessionChange):
                event = thread_event(output, log_id=self._partition.log_id, partition=self._partition.number)
                self.records[THREADS].append(event.record_beside(output.key, self._partition.number))
            elif isinstance(output, ScoreEvent):
                self.records[SCORES].append(output.record())
            else:
                self._add_answer(output)

    def _add_answer(self, answer: Answer) -> None:
        if 0 <= answer.partition < self._reply_partitions:
            self.records[THREAD_REPLIES].append(answer.reply.record(answer.partition))
        else:
            self._partition.tally.undecodable["reply-to"] += 1
