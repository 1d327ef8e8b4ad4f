from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from pipeline.stream.thread_state import (
    ELSEWHERE,
    OPEN,
    PACKED_BYTES,
    Extent,
    ThreadState,
    carried_in,
    extent_of,
    pack,
    read,
    unpack,
    write,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
UINT32 = st.integers(0, 2**32 - 1)
HERE = UUID("01890000-0000-7000-8000-000000000001")
THERE = UUID("01880000-0000-7000-8000-000000000001")
BEGAN_THERE = Extent(THERE, 7, 40, THERE, 44)

EXTENTS = st.builds(Extent, st.uuids(), UINT32, INT64, st.uuids(), INT64)
STATES = st.builds(
    ThreadState, INT64, INT64, INT64, INT64, INT64, INT64, UINT32, st.just(b"") | EXTENTS.map(Extent.packed)
)


@given(STATES)
def test_a_state_comes_back_as_it_was_packed(state: ThreadState) -> None:
    assert read(write(state)) == state
    assert unpack(write(state)) == tuple(state[:-1])
    assert carried_in(write(state)) == state.carried


def test_a_state_takes_52_bytes_unless_its_session_began_in_another_log() -> None:
    state = ThreadState(1, 2, 3, 4, 5, OPEN, 6)
    assert PACKED_BYTES == len(pack(1, 2, 3, 4, 5, OPEN, 6)) == len(write(state)) == 52
    assert len(write(state._replace(carried=BEGAN_THERE.packed()))) == 2 * 52


@given(EXTENTS)
def test_what_is_carried_comes_back_as_it_was(extent: Extent) -> None:
    state = ThreadState(ELSEWHERE, ELSEWHERE, ELSEWHERE, 4, 5, OPEN, 6, extent.packed())
    assert extent_of(state, log_id=HERE, partition=3) == extent


def test_a_session_of_this_log_has_its_extent_here() -> None:
    assert extent_of(ThreadState(1, 2, 3, 4, 5, OPEN, 6), log_id=HERE, partition=3) == Extent(HERE, 3, 1, HERE, 2)


def test_a_session_that_was_carried_over_has_its_last_activity_here_once_there_is_any() -> None:
    state = ThreadState(ELSEWHERE, 9, 9, 4, 5, OPEN, 6, BEGAN_THERE.packed())
    assert extent_of(state, log_id=HERE, partition=3) == Extent(THERE, 7, 40, HERE, 9)
