import pytest

from pipeline.stream.lifecycle import apply
from pipeline.stream.partition import REACHED_KEY, SESSION_REMEMBERED_US, Partition
from pipeline.stream.thread_state import OPEN
from tests.unit.stream.logs import START_MS, Log, key, new_partition, thread

A = key("a")


def after(log: Log) -> Partition:
    partition = new_partition()
    list(apply(partition, log.records))
    return partition


def test_a_checkpoint_names_each_changed_thread_once_with_its_latest_state() -> None:
    partition = after(Log().trace(A).trace(A).trace(key("b")))
    checkpoint = partition.checkpoint()
    assert checkpoint is not None
    assert sorted(name for name, _ in checkpoint.states) == sorted([REACHED_KEY, A, key("b")])
    assert dict(checkpoint.states)[A] == partition.threads[A]
    assert (checkpoint.next_offset, checkpoint.log_time_us) == (3, START_MS * 1000)
    assert len(checkpoint.outputs) == 2


def test_a_checkpoint_with_nothing_new_is_none() -> None:
    partition = after(Log().trace(A))
    checkpoint = partition.checkpoint()
    assert checkpoint is not None
    partition.sweep(committed_offset=1, log_time_us=checkpoint.log_time_us, limit=10)
    assert partition.checkpoint() is None


def test_a_marker_stays_until_neither_a_replay_nor_a_score_can_ask_for_it() -> None:
    partition = after(Log().trace(A).command("close", thread("a")))
    closed_at_us = START_MS * 1000
    remembered_until_us = closed_at_us + SESSION_REMEMBERED_US
    for offset, time_us in ((1, remembered_until_us), (2, remembered_until_us - 1)):
        partition.sweep(committed_offset=offset, log_time_us=time_us, limit=10)
        assert A in partition.threads
    partition.checkpoint()
    partition.sweep(committed_offset=2, log_time_us=remembered_until_us, limit=10)
    assert A not in partition.threads
    checkpoint = partition.checkpoint()
    assert checkpoint is not None
    assert dict(checkpoint.states)[A] is None


def test_a_thread_that_opened_again_is_not_swept() -> None:
    partition = after(Log().trace(A).command("close", thread("a")).trace(A))
    partition.sweep(committed_offset=3, log_time_us=2**60, limit=10)
    state = partition.state_of(A)
    assert state is not None
    assert (state.closed_at_us, partition.open_threads) == (OPEN, 1)


def test_what_was_restored_is_as_it_was() -> None:
    before = after(Log().trace(A).trace(key("b")).command("close", thread("b")).setting(None, 1000))
    checkpoint = before.checkpoint()
    assert checkpoint is not None
    restored = new_partition()
    restored.threads.update({name: value for name, value in checkpoint.states if value is not None})
    restored.restore(committed_offset=4, log_time_us=None)
    list(restored.take_stock())
    assert restored.threads == before.threads
    assert (restored.open_threads, restored.timeouts.default_ms) == (1, 1000)
    assert (restored.next_offset, restored.log_time_us) == (4, START_MS * 1000)
    assert restored.deadline_of(A) == START_MS * 1000 + 1_000_000
    assert len(restored.deadlines) == 1


def test_the_log_time_of_the_commit_counts_and_not_a_later_one() -> None:
    partition = after(log := Log().trace(A))
    first = partition.checkpoint()
    list(apply(partition, log.after(5000).trace(A).records))
    second = partition.checkpoint()
    assert first is not None
    assert second is not None
    for committed, expected_us in ((1, START_MS * 1000), (2, (START_MS + 5000) * 1000)):
        restored = new_partition()
        restored.threads.update({name: value for name, value in second.states if value is not None})
        restored.restore(committed_offset=committed, log_time_us=None)
        assert restored.log_time_us == expected_us


def test_who_goes_through_all_threads_lets_others_have_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = after(Log().trace(A).trace(key("b")).command("close", thread("b")).trace(key("c")))
    monkeypatch.setattr("pipeline.stream.partition.SLICE_THREADS_MAX", 1)
    earlier = partition.deadlines
    steps = partition.schedule()
    next(steps)
    assert partition.deadlines is earlier  # in effect until the new ones are complete
    assert len(list(steps)) == len(partition.threads) - 1
    assert len(partition.deadlines) == partition.open_threads == 2


def test_a_sweep_tells_whether_there_may_be_more() -> None:
    log = Log()
    for name in "abc":
        log.trace(key(name)).command("close", thread(name))
    partition = after(log)
    swept = [partition.sweep(committed_offset=6, log_time_us=2**60, limit=2) for _ in range(2)]
    assert (swept, partition.threads) == ([True, False], {})
