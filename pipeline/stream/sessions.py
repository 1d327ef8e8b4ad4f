"""How a session begins, goes on and ends: the steps that records, commands and deadlines have in common."""

from pipeline.events.identity import ThreadRef, parse_thread_key
from pipeline.events.threads import CloseReason
from pipeline.stream.partition import Partition, SessionChange
from pipeline.stream.thread_state import OPEN, ThreadState, carried_in, pack, unpack


def be_active(partition: Partition, key: bytes, offset: int) -> None:
    """Take in activity: extend the open session, or open one."""
    packed = partition.threads.get(key)
    if packed is not None:
        first_offset, _, applied_offset, opened_at_us, _, closed_at_us, activities = unpack(packed)
        if offset <= applied_offset:
            partition.tally.replayed += 1
            return
        if closed_at_us == OPEN:
            now_us = partition.log_time_us
            extended = pack(first_offset, offset, offset, opened_at_us, now_us, OPEN, activities + 1)
            partition.threads[key] = extended if first_offset >= 0 else extended + carried_in(packed)
            partition.changed.add(key)
            return
    if thread_of(key) is None:
        partition.tally.undecodable["trace"] += 1
        return
    begin(partition, key, offset, activities=1)


def begin(partition: Partition, key: bytes, offset: int, *, activities: int) -> None:
    """Open a thread that is not open; a command that does so is not itself an activity."""
    now_us = partition.log_time_us
    state = ThreadState(offset, offset, offset, now_us, now_us, OPEN, activities)
    partition.put(key, state)
    partition.open_threads += 1
    partition.deadlines.add(key, now_us + partition.timeouts.timeout_us(key))
    partition.tally.opened += 1
    partition.emit(SessionChange(key, "opened", now_us, state))


def end(
    partition: Partition, key: bytes, state: ThreadState, reason: CloseReason, *, at_us: int, applied_offset: int
) -> None:
    """Close an open thread; `applied_offset` is the last record of the thread, the command that closes it included."""
    first_offset, last_offset, _, opened_at_us, last_activity_at_us, _, activities, carried = state
    closed = ThreadState(  # not `_replace`, which takes four times as long
        first_offset, last_offset, applied_offset, opened_at_us, last_activity_at_us, at_us, activities, carried
    )
    partition.put_marker(key, closed)
    partition.open_threads -= 1
    partition.tally.closed[reason] += 1
    partition.emit(SessionChange(key, "closed", at_us, closed, reason))


def thread_of(key: bytes | None) -> ThreadRef | None:
    """Return the thread that `key` names, None where it names none."""
    try:
        return parse_thread_key(key or b"")
    except ValueError:
        return None
