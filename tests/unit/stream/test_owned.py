from pipeline.stream.owned import Owned
from pipeline.stream.thread_state import OPEN, pack
from tests.unit.stream.logs import LOG_ID, LogRecord, key

STATE = pack(1, 1, 1, 5, 5, OPEN, 1)


def changelog(name: bytes, value: bytes | None) -> LogRecord:
    return LogRecord(0, 0, name, value, ())


def test_partitions_may_be_worked_on_only_after_their_recovery() -> None:
    owned = Owned(LOG_ID)
    owned.assign([1, 2])
    assert (list(owned), owned.live(1)) == ([], None)
    list(owned.begin({1: (7, "9000")}))
    assert [partition.number for partition in owned] == [1, 2]
    one, two = owned
    assert (one.next_offset, one.log_time_us) == (7, 9000)
    assert (two.next_offset, two.log_time_us) == (0, 0)


def test_the_latest_value_of_a_key_is_restored_and_none_forgets_it() -> None:
    owned = Owned(LOG_ID)
    owned.assign([1])
    owned.restore(1, [changelog(key("a"), b"old"), changelog(key("b"), STATE), changelog(key("a"), STATE)])
    owned.restore(1, [changelog(key("b"), None)])
    owned.restore(2, [changelog(key("c"), STATE)])
    list(owned.begin({}))
    [partition] = owned
    assert partition.threads == {key("a"): STATE}


def test_the_changelog_of_a_live_partition_is_not_restored_into_it() -> None:
    owned = Owned(LOG_ID)
    owned.assign([1])
    list(owned.begin({}))
    owned.restore(1, [changelog(key("a"), STATE)])
    [partition] = owned
    assert partition.threads == {}


def test_partitions_are_restored_when_their_changelogs_were_read_to_the_ends() -> None:
    owned = Owned(LOG_ID)
    owned.assign([1, 2])
    assert owned.is_restored({1: 0, 2: 0})
    owned.restored_to(1, 70)
    assert not owned.is_restored({1: 70, 2: 5})
    owned.restored_to(2, 5)
    assert owned.is_restored({1: 70, 2: 5})
    owned.restored_to(1, 3)
    assert not owned.is_restored({1: 70, 2: 5}), "read a second time, and old values stand there until the end"


def test_what_was_restored_for_one_assignment_says_nothing_of_another() -> None:
    owned = Owned(LOG_ID)
    owned.assign([1, 2])
    before = owned.assignment
    for number in (1, 2):
        owned.restored_to(number, 70)
    owned.assign([1])
    assert owned.assignment is not before
    assert not owned.is_restored({1: 70, 2: 70})
    assert not owned.is_restored({1: 70})


def test_what_is_live_is_not_restored_again() -> None:
    owned = Owned(LOG_ID)
    owned.assign([1])
    list(owned.begin({}))
    assert list(owned.recovering) == []
    assert not owned.is_restored({1: 0})


def test_without_partitions_there_is_nothing_to_restore() -> None:
    owned = Owned(LOG_ID)
    owned.assign([])
    assert owned.is_restored({})


def test_a_new_assignment_loses_all_partitions_of_the_last() -> None:
    owned = Owned(LOG_ID)
    owned.assign([1])
    list(owned.begin({}))
    [before] = owned
    owned.assign([1])
    assert before.is_lost
    assert list(owned) == []


def test_an_assignment_during_the_recovery_of_another_ends_it() -> None:
    owned = Owned(LOG_ID)
    owned.assign([1, 2])
    recovery = owned.begin({})
    next(recovery)
    owned.assign([3])
    assert list(recovery) == []
    assert list(owned) == []


def test_partitions_that_another_has_taken_may_have_been_given_up_meanwhile() -> None:
    owned = Owned(LOG_ID)
    owned.assign([1, 2])
    list(owned.begin({}))
    owned.lose([1])
    assert [partition.number for partition in owned] == [2]
    owned.drop()
    owned.lose([2])
    assert (list(owned), owned.stuck) == ([], frozenset())


def test_a_lost_partition_is_not_live() -> None:
    owned = Owned(LOG_ID)
    owned.assign([1])
    list(owned.begin({}))
    [partition] = owned
    partition.is_lost = True
    assert (list(owned), owned.live(1)) == ([], None)
