"""State made from what storage knows, for a stream whose changelog, or whose whole log, is lost.

What comes out is what the changelog of a partition would hold at the offset from which the stream reads on. Sessions of
the log that is read keep their offsets there; one of another log carries its own over (see `thread_state.Extent`), so
that its close tells of that very session, and no record of this log is taken for one that was applied already.
"""

from typing import NamedTuple
from uuid import UUID

import msgspec

from pipeline.events.controls import Setting
from pipeline.events.envelope import Record
from pipeline.events.identity import ThreadRef, thread_key
from pipeline.stream.outputs import thread_event
from pipeline.stream.partition import REACHED_KEY, Reached, SessionChange
from pipeline.stream.thread_state import ELSEWHERE, OPEN, Extent, ThreadState, write
from pipeline.stream.timeouts import Said, setting_key


class OpenSession(NamedTuple):
    """A session that is open; times are log times in microseconds. `is_told` if storage knows of its `opened`."""

    thread: ThreadRef
    extent: Extent
    opened_at_us: int
    last_activity_at_us: int
    activities: int
    is_told: bool


def state_record(session: OpenSession, *, log_id: UUID, partition: int) -> Record:
    """Return the record of the changelog with which the thread is open again, in the log `log_id`."""
    return Record(thread_key(session.thread), write(_state(session, log_id)), (), partition)


def opened_record(session: OpenSession, *, log_id: UUID, partition: int) -> Record:
    """Return the record of the topic `threads` that tells of the opening, as it would have been written then."""
    extent = session.extent._replace(last_log_id=session.extent.log_id, last_offset=session.extent.first_offset)
    beginning = session._replace(extent=extent, last_activity_at_us=session.opened_at_us, activities=1)
    change = SessionChange(thread_key(session.thread), "opened", session.opened_at_us, _state(beginning, log_id))
    return thread_event(change, log_id=log_id, partition=partition).record()


def setting_record(setting: Setting, *, partition: int) -> Record:
    """Return the record of the changelog with which a setting is in effect from the first record that is read."""
    said = Said(ELSEWHERE, setting.timeout_ms, setting.score_regime, setting.requested_at_us)
    return Record(setting_key(setting.workspace), msgspec.json.encode([said]), (), partition)


def reached_record(offset: int, *, log_time_us: int, partition: int) -> Record:
    """Return the record of the changelog that keeps the log time before `offset`."""
    return Record(REACHED_KEY, msgspec.json.encode([Reached(offset, log_time_us)]), (), partition)


def _state(session: OpenSession, log_id: UUID) -> ThreadState:
    extent = session.extent
    began_here = extent.log_id == log_id
    last_offset = extent.last_offset if extent.last_log_id == log_id else ELSEWHERE
    return ThreadState(
        first_offset=extent.first_offset if began_here else ELSEWHERE,
        last_offset=last_offset,
        applied_offset=last_offset,
        opened_at_us=session.opened_at_us,
        last_activity_at_us=session.last_activity_at_us,
        closed_at_us=OPEN,
        activities=session.activities,
        carried=b"" if began_here else extent.packed(),
    )
