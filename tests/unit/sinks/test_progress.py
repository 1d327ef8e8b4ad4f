from uuid import UUID

from pipeline.adapters.kafka.consumer import LogPartition
from pipeline.sinks.batch import Batch, Limits
from pipeline.sinks.progress import Progress
from tests.support.log_records import LogRecord, run_of

A, B = LogPartition("traces", 0), LogPartition("traces", 1)


def holding(*places: tuple[int, int]) -> Batch:
    batch = Batch("traces", UUID(int=1), Limits(9, 9, 9, 9), 0.0)
    for partition, offset in places:
        batch.add(run_of(partition, LogRecord(offset)), 0.0)
    return batch


def test_what_was_read_and_is_in_no_batch_any_more_may_be_committed() -> None:
    progress = Progress()
    progress.read_up_to(A, 10)

    assert progress.committable([]) == {A: 10}


def test_a_commit_never_passes_a_record_that_is_not_stored() -> None:
    progress = Progress()
    progress.read_up_to(A, 10)
    progress.read_up_to(B, 20)

    assert progress.committable([holding((0, 7), (0, 8)), holding((0, 4))]) == {A: 4, B: 20}


def test_what_has_not_moved_is_not_committed_again() -> None:
    progress = Progress()
    progress.read_up_to(A, 10)
    progress.read_up_to(B, 20)
    progress.committed({A: 10})

    assert progress.committable([]) == {B: 20}


def test_partitions_that_went_to_someone_else_are_forgotten() -> None:
    progress = Progress()
    progress.read_up_to(A, 10)
    progress.forget()

    assert progress.committable([]) == {}
