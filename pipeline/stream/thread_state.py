"""What is remembered of one thread, packed into 52 bytes.

A million of these must fit into memory and each is rewritten for each event of its thread, so they are immutable bytes
and never objects. The same bytes are the value of the changelog. Only the state of a session that began in another log
is longer: behind it stands where that was.
"""

import struct
from typing import Final, NamedTuple
from uuid import UUID

_LAYOUT: Final = struct.Struct("<qqqqqqI")
_CARRIED: Final = struct.Struct("<16sIq16sq")

OPEN: Final = -1
"""`closed_at_us` of a thread that is open."""

ELSEWHERE: Final = -1
"""An offset of what happened in another log."""

PACKED_BYTES: Final = _LAYOUT.size


class ThreadState(NamedTuple):
    """The latest session of a thread; times are log times in microseconds, offsets are of its partition of `traces`.

    `first_offset` and `last_offset` span the session's activity. `applied_offset` is the last record of the thread that
    was applied, a command without effect included: what stands at or below it is a replay. `closed_at_us` is OPEN, or
    the state is only the marker of a closed session. `carried` is empty, or a packed Extent: then the session began in
    another log, `first_offset` is ELSEWHERE, and so are the others until this log has a record of the thread.
    """

    first_offset: int
    last_offset: int
    applied_offset: int
    opened_at_us: int
    last_activity_at_us: int
    closed_at_us: int
    activities: int
    carried: bytes = b""


class Extent(NamedTuple):
    """The record with which a session began and that of its last activity, each in its log."""

    log_id: UUID
    partition: int
    first_offset: int
    last_log_id: UUID
    last_offset: int

    def packed(self) -> bytes:
        """Return what a state keeps as `carried`."""
        return _CARRIED.pack(
            self.log_id.bytes, self.partition, self.first_offset, self.last_log_id.bytes, self.last_offset
        )


pack = _LAYOUT.pack
"""Return the packed form of the fields of a ThreadState, given in order, but for what is carried."""

unpack = _LAYOUT.unpack_from
"""Return the fields of a ThreadState, in order, as a plain tuple, but for what is carried: for the hot path."""


def closed_at_us(packed: bytes) -> int:
    """Return when the session of a packed state was closed, OPEN if it was not."""
    return int(_LAYOUT.unpack_from(packed)[5])


def carried_in(packed: bytes) -> bytes:
    """Return what a packed state carries, mostly nothing."""
    return packed[PACKED_BYTES:]


def write(state: ThreadState) -> bytes:
    """Return the packed form of `state`, with what it carries."""
    return pack(*state[:-1]) + state.carried


def read(packed: bytes) -> ThreadState:
    """Return the state that `packed` holds; raises struct.error where it is none."""
    return ThreadState._make((*_LAYOUT.unpack_from(packed), carried_in(packed)))


def extent_of(state: ThreadState, *, log_id: UUID, partition: int) -> Extent:
    """Return where the session of a state of that log and partition began and was last active."""
    if not state.carried:
        return Extent(log_id, partition, state.first_offset, log_id, state.last_offset)
    first_log, began_in, first_offset, last_log, last_offset = _CARRIED.unpack(state.carried)
    if state.last_offset != ELSEWHERE:
        return Extent(UUID(bytes=first_log), began_in, first_offset, log_id, state.last_offset)
    return Extent(UUID(bytes=first_log), began_in, first_offset, UUID(bytes=last_log), last_offset)
