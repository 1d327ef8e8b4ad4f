from pipeline.stream import sessions
from pipeline.stream.thread_state import OPEN, ThreadState
from tests.unit.stream.logs import key, new_partition, thread

A = key("a")


def test_activity_extends_the_open_session() -> None:
    partition = new_partition()
    for offset, time_us in ((4, 1000), (6, 3000)):
        partition.log_time_us = time_us
        sessions.be_active(partition, A, offset)
    assert partition.state_of(A) == ThreadState(4, 6, 6, 1000, 3000, OPEN, 2)
    assert (partition.open_threads, partition.outputs_waiting) == (1, 1)


def test_activity_that_was_applied_already_changes_nothing() -> None:
    partition = new_partition()
    sessions.be_active(partition, A, 4)
    sessions.be_active(partition, A, 4)
    assert partition.tally.replayed == 1
    assert partition.state_of(A) == ThreadState(4, 4, 4, 0, 0, OPEN, 1)


def test_activity_after_the_end_begins_anew() -> None:
    partition = new_partition()
    sessions.be_active(partition, A, 4)
    state = partition.state_of(A)
    assert state is not None
    sessions.end(partition, A, state, "inactive", at_us=9, applied_offset=4)
    sessions.be_active(partition, A, 5)
    assert partition.state_of(A) == ThreadState(5, 5, 5, 0, 0, OPEN, 1)
    assert [change.event for change in partition.take_outputs()] == ["opened", "closed", "opened"]  # type: ignore[union-attr]


def test_a_key_that_names_no_thread_opens_nothing() -> None:
    partition = new_partition()
    for bad in (b"thread\tx", b"thread\tw\tnot-a-uuid\tt", b"thread\t\xff\t\t"):
        sessions.be_active(partition, bad, 1)
    assert (partition.threads, partition.tally.undecodable["trace"]) == ({}, 3)


def test_a_key_names_its_thread() -> None:
    assert sessions.thread_of(A) == thread("a")
    assert sessions.thread_of(None) is None
