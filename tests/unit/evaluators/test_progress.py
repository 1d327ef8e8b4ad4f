from hypothesis import given
from hypothesis import strategies as st

from pipeline.adapters.kafka.consumer import LogPartition
from pipeline.evaluators.progress import Progress

A, B = LogPartition("threads", 0), LogPartition("threads", 1)


def test_a_commit_never_passes_the_lowest_record_in_hand() -> None:
    progress = Progress()
    for offset in (3, 4, 7):
        progress.begin(A, offset)
    progress.read_up_to(A, 9)
    progress.read_up_to(B, 5)
    progress.finish(A, 4)

    assert progress.committable() == {A: 3, B: 5}


def test_what_has_not_moved_is_not_committed_again() -> None:
    progress = Progress()
    progress.read_up_to(A, 9)
    progress.committed(progress.committable())

    assert progress.committable() == {}


def test_partitions_that_have_gone_are_forgotten() -> None:
    progress = Progress()
    progress.begin(A, 3)
    progress.read_up_to(A, 4)
    progress.forget()

    assert (progress.in_hand, progress.committable()) == (0, {})


@given(st.lists(st.booleans(), max_size=40), st.randoms(use_true_random=False))
def test_in_whatever_order_records_finish_every_record_below_the_commit_is_finished(
    need_work: list[bool], chance: st.DataObject
) -> None:
    progress = Progress()
    unfinished = [offset for offset, is_work in enumerate(need_work) if is_work]
    for offset, is_work in enumerate(need_work):
        if is_work:
            progress.begin(A, offset)
        progress.read_up_to(A, offset + 1)

    committed = 0
    chance.shuffle(order := list(unfinished))  # type: ignore[attr-defined]
    for offset in order:
        progress.finish(A, offset)
        unfinished.remove(offset)
        moved = progress.committable()
        committed = moved.get(A, committed)
        progress.committed(moved)
        assert committed == (min(unfinished) if unfinished else len(need_work))
        assert progress.in_hand == len(unfinished)
