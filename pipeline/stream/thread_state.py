"""What is remembered of one thread, packed into 52 bytes.

A million of these must fit into memory and each is rewritten for each event of its thread, so they are immutable bytes
and never objects. The same bytes are the value of the changelog.
"""

import struct
from typing import Final, NamedTuple

_LAYOUT: Final = struct.Struct("<qqqqqqI")

OPEN: Final = -1
"""`closed_at_us` of a thread that is open."""

PACKED_BYTES: Final = _LAYOUT.size


class ThreadState(NamedTuple):
    """The latest session of a thread; times are log times in microseconds, offsets are of its partition of `traces`.

    `first_offset` and `last_offset` span the session's activity. `applied_offset` is the last record of the thread that
    was applied, a command without effect included: what stands at or below it is a replay. `closed_at_us` is OPEN, or
    the state is only the marker of a closed session.
    """

    first_offset: int
    last_offset: int
    applied_offset: int
    opened_at_us: int
    last_activity_at_us: int
    closed_at_us: int
    activities: int


pack = _LAYOUT.pack
"""Return the packed form of the fields of a ThreadState, given in order."""

unpack = _LAYOUT.unpack
"""Return the fields of a ThreadState, in order, as a plain tuple: the hot path has no use for names."""


def read(packed: bytes) -> ThreadState:
    """Return the state that `packed` holds; raises struct.error where it is none."""
    return ThreadState._make(_LAYOUT.unpack(packed))
