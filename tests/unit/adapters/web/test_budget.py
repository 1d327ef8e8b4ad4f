import pytest

from pipeline.adapters.telemetry.metrics import GATEWAY_IN_FLIGHT_RECORDS
from pipeline.adapters.web.budget import ByteBudget, RecordBudget
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
    budget = ByteBudget(20, retry_after_seconds=1)

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
    budget = ByteBudget(20, retry_after_seconds=1)

    with budget.hold() as hold:
        hold.add(9)
        with pytest.raises(Overloaded):
            hold.add(2)
        assert budget.used == 9

    assert budget.used == 0


def test_one_workspace_holds_its_share_at_most_and_leaves_the_rest_to_others() -> None:
    budget = ByteBudget(100, retry_after_seconds=2, share_max=0.6)
    budget.take(50, "a")

    with pytest.raises(Overloaded, match=r"50 of 60 bytes are in flight, 20 more"):
        budget.take(20, "a")
    budget.take(40, "b")
    budget.release(50, "a")
    budget.take(60, "a")
    assert budget.used == 100
    with pytest.raises(Overloaded, match="100 of 100"):
        budget.take(1, "c")


def test_what_is_made_of_the_bodies_in_hand_finds_room() -> None:
    budget = ByteBudget(100, retry_after_seconds=1)

    with budget.hold() as one, budget.hold() as other:
        one.add(25)
        other.add(25)
        with budget.hold() as third, pytest.raises(Overloaded, match=r"50 of 50 bytes"):
            third.add(1)
        budget.take(25)
        budget.take(25)

    assert budget.used == 50


def test_a_workspace_reads_bodies_up_to_half_of_its_share() -> None:
    budget = ByteBudget(100, retry_after_seconds=1, share_max=0.4)

    with budget.hold("a") as hold, budget.hold("b") as other:
        hold.add(20)
        with pytest.raises(Overloaded, match=r"20 of 20 bytes"):
            hold.add(1)
        other.add(20)
        budget.take(20, "a")


def test_what_a_workspace_gives_back_is_forgotten() -> None:
    budget = ByteBudget(100, retry_after_seconds=1, share_max=0.5)
    with budget.hold("a") as hold:
        hold.add(25)

    assert (budget.used, budget._by_workspace) == (0, {})


def test_records_are_bounded_and_shown_as_such() -> None:
    before = GATEWAY_IN_FLIGHT_RECORDS._value.get()
    budget = RecordBudget(10, retry_after_seconds=1)
    budget.take(10, "a")

    assert GATEWAY_IN_FLIGHT_RECORDS._value.get() == before + 10
    with pytest.raises(Overloaded, match="10 of 10 records"):
        budget.take(1, "b")
    budget.release(10, "a")
    assert GATEWAY_IN_FLIGHT_RECORDS._value.get() == before
