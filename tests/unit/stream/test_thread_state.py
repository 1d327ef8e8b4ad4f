from hypothesis import given
from hypothesis import strategies as st

from pipeline.stream.thread_state import OPEN, PACKED_BYTES, ThreadState, pack, read, unpack

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.builds(ThreadState, INT64, INT64, INT64, INT64, INT64, INT64, st.integers(0, 2**32 - 1)))
def test_a_state_comes_back_as_it_was_packed(state: ThreadState) -> None:
    assert read(pack(*state)) == state
    assert unpack(pack(*state)) == tuple(state)


def test_a_state_takes_52_bytes() -> None:
    assert PACKED_BYTES == len(pack(1, 2, 3, 4, 5, OPEN, 6)) == 52
