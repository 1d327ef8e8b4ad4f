from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluators.sampling import is_sampled

RULE, OTHER = UUID(int=1), UUID(int=2)
THREADS = [uuid5(RULE, str(number)) for number in range(4000)]


@given(st.uuids(), st.uuids(), st.floats(0, 1), st.floats(0, 1))
def test_a_thread_in_a_share_is_in_every_larger_one(rule: UUID, thread: UUID, one: float, other: float) -> None:
    smaller, larger = sorted((one, other))

    assert is_sampled(rule, thread, larger) or not is_sampled(rule, thread, smaller)


@given(st.uuids(), st.uuids())
def test_everything_is_in_the_whole_and_nothing_in_none(rule: UUID, thread: UUID) -> None:
    assert (is_sampled(rule, thread, 1.0), is_sampled(rule, thread, 0.0)) == (True, False)


def test_about_the_share_that_is_asked_for_is_taken() -> None:
    taken = sum(is_sampled(RULE, thread, 0.25) for thread in THREADS)

    assert 900 < taken < 1100


def test_rules_draw_independently() -> None:
    both = sum(is_sampled(RULE, thread, 0.5) and is_sampled(OTHER, thread, 0.5) for thread in THREADS)

    assert 850 < both < 1150


def test_the_same_thread_is_sampled_the_same_way_by_every_version() -> None:
    # Fixed: another way to draw would evaluate other threads after an upgrade.
    drawn = "".join(str(int(is_sampled(RULE, thread, 0.5))) for thread in THREADS[:8])

    assert drawn == "10110100"
