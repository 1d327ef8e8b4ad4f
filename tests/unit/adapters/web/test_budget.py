import pytest

from pipeline.adapters.web.budget import ByteBudget
from pipeline.errors import Overloaded


def test_what_fits_is_given_and_what_exceeds_the_bound_is_told_to_come_back() -> None:
    budget = ByteBudget(10, retry_after_seconds=7)
    budget.take(10)

    with pytest.raises(Overloaded) as refusal:
        budget.take(1)

    assert refusal.value.retry_after_seconds == 7
    assert budget.used == 10


def test_bytes_that_are_given_back_can_be_taken_again() -> None:
    budget = ByteBudget(10, retry_after_seconds=1)
    budget.take(10)
    budget.release(4)

    budget.take(4)

    assert budget.used == 10


def test_a_hold_gives_back_all_that_was_taken_through_it_also_when_its_work_fails() -> None:
    budget = ByteBudget(10, retry_after_seconds=1)

    def work() -> None:
        with budget.hold() as hold:
            hold.add(3)
            hold.add(4)
            assert budget.used == 7
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()

    assert budget.used == 0


def test_a_hold_that_is_refused_more_keeps_what_it_has_until_it_ends() -> None:
    budget = ByteBudget(10, retry_after_seconds=1)

    with budget.hold() as hold:
        hold.add(9)
        with pytest.raises(Overloaded):
            hold.add(2)
        assert budget.used == 9

    assert budget.used == 0
