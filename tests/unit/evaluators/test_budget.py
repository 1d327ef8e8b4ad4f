import pytest

from pipeline.adapters.chat import Usage
from pipeline.adapters.clock import ManualClock
from pipeline.adapters.telemetry.metrics import EVALUATORS_JUDGE_BUDGET_LEFT
from pipeline.errors import Unevaluable
from pipeline.evaluators.budget import Breaker, Budget
from pipeline.settings import EvaluateSettings

MOST = Usage(80, 20)


def budget(clock: ManualClock, **settings: float) -> Budget:
    return Budget(EvaluateSettings(**settings), clock)  # type: ignore[arg-type]


def test_without_a_budget_everything_may_be_asked() -> None:
    endless = budget(ManualClock())
    for _ in range(100):
        endless.reserve(Usage(10**9, 10**9))


def test_what_is_on_its_way_counts_until_it_is_known_what_it_took() -> None:
    tokens = budget(ManualClock(), judge_tokens_per_hour=250)
    reserved = tokens.reserve(MOST)
    tokens.reserve(MOST)
    with pytest.raises(Unevaluable, match="budget"):
        tokens.reserve(MOST)

    tokens.settle(reserved, Usage(10, 5))

    tokens.reserve(MOST)
    assert EVALUATORS_JUDGE_BUDGET_LEFT.labels("tokens")._value.get() == pytest.approx(1 - 215 / 250)


def test_money_is_counted_by_the_prices_of_questions_and_answers() -> None:
    money = budget(ManualClock(), judge_cost_per_hour=1.0, judge_input_price=1000.0, judge_output_price=20_000.0)
    reserved = money.reserve(MOST)  # 0.08 + 0.4
    money.reserve(MOST)
    with pytest.raises(Unevaluable):
        money.reserve(MOST)

    money.settle(reserved, Usage(0, 0))

    money.reserve(MOST)


def test_each_hour_has_a_budget_of_its_own() -> None:
    clock = ManualClock()
    tokens = budget(clock, judge_tokens_per_hour=100)
    tokens.reserve(MOST)
    with pytest.raises(Unevaluable):
        tokens.reserve(MOST)

    clock.advance(3600)

    tokens.reserve(MOST)


def test_a_question_on_its_way_when_the_hour_ends_counts_in_the_next_by_what_it_took() -> None:
    clock = ManualClock()
    tokens = budget(clock, judge_tokens_per_hour=150)
    reserved = tokens.reserve(MOST)
    clock.advance(3600)

    tokens.settle(reserved, Usage(50, 1))

    with pytest.raises(Unevaluable):
        tokens.reserve(MOST)
    tokens.reserve(Usage(99, 0))


def breaker(clock: ManualClock) -> Breaker:
    return Breaker(failures_max=3, rest_seconds=30, clock=clock)


def test_a_model_that_fails_again_and_again_is_left_alone_and_then_tried_once() -> None:
    clock = ManualClock()
    model = breaker(clock)
    for _ in range(3):
        model.check()
        model.failed()
    with pytest.raises(Unevaluable, match="3 times in a row"):
        model.check()

    clock.advance(31)
    model.check()
    with pytest.raises(Unevaluable):
        model.check()

    model.succeeded()
    model.check()
    model.check()


def test_one_answer_makes_up_for_earlier_failures() -> None:
    model = breaker(ManualClock())
    for _ in range(5):
        model.failed()
        model.failed()
        model.succeeded()

    model.check()
