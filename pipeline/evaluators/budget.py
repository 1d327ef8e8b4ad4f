"""How much a model may still be asked: by the hour, and not at all for a while when it fails."""

from typing import Final, NamedTuple

from pipeline.adapters.chat import Usage
from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry import metrics
from pipeline.errors import Unevaluable
from pipeline.settings import EvaluateSettings

HOUR_US: Final = 3_600_000_000
_MILLION: Final = 1_000_000


class Reservation(NamedTuple):
    """What was set aside for a question, and in which hour."""

    hour: int
    most: Usage


class Budget:
    """Tokens and money of one process, anew with each full hour.

    What a question may take at most is reserved before it is asked, and put right after the answer: however many are on
    their way at once, the budget is not passed by more than the estimates are wrong.
    """

    def __init__(self, settings: EvaluateSettings, clock: Clock) -> None:
        self._settings: Final = settings
        self._clock: Final = clock
        self._hour = -1
        self._tokens = 0
        self._cost = 0.0

    def reserve(self, most: Usage) -> Reservation:
        """Set aside what a question takes `most`; raises Unevaluable where this hour has not as much left."""
        self._turn_over()
        tokens_max, cost_max = self._settings.judge_tokens_per_hour, self._settings.judge_cost_per_hour
        if (tokens_max is not None and self._tokens + sum(most) > tokens_max) or (
            cost_max is not None and self._cost + self._cost_of(most) > cost_max
        ):
            metrics.EVALUATORS_JUDGE_CALLS.labels("over budget").inc()
            raise Unevaluable("this hour's budget for language models is spent")
        self._add(most, 1)
        return Reservation(self._hour, most)

    def settle(self, reserved: Reservation, used: Usage) -> None:
        """Count what a question took in place of what was reserved for it; (0, 0) where it was not answered."""
        self._turn_over()
        if reserved.hour == self._hour:
            self._add(reserved.most, -1)
        self._add(used, 1)
        metrics.EVALUATORS_JUDGE_TOKENS.labels("input").inc(used.input_tokens)
        metrics.EVALUATORS_JUDGE_TOKENS.labels("output").inc(used.output_tokens)
        metrics.EVALUATORS_JUDGE_COST.inc(self._cost_of(used))

    def _turn_over(self) -> None:
        """Begin a new hour; what questions on their way turn out to take counts in it."""
        hour = self._clock.now_us() // HOUR_US
        if hour != self._hour:
            self._hour, self._tokens, self._cost = hour, 0, 0.0

    def _add(self, usage: Usage, sign: int) -> None:
        self._tokens += sign * sum(usage)
        self._cost += sign * self._cost_of(usage)
        if (tokens_max := self._settings.judge_tokens_per_hour) is not None:
            metrics.EVALUATORS_JUDGE_BUDGET_LEFT.labels("tokens").set(max(0.0, 1 - self._tokens / tokens_max))
        if (cost_max := self._settings.judge_cost_per_hour) is not None:
            metrics.EVALUATORS_JUDGE_BUDGET_LEFT.labels("cost").set(max(0.0, 1 - self._cost / cost_max))

    def _cost_of(self, usage: Usage) -> float:
        prices = self._settings.judge_input_price, self._settings.judge_output_price
        return (usage.input_tokens * prices[0] + usage.output_tokens * prices[1]) / _MILLION


class Breaker:
    """Leaves a model alone for a while that fails again and again, so that its threads do not fill the process."""

    def __init__(self, *, failures_max: int, rest_seconds: float, clock: Clock) -> None:
        self._failures_max: Final = failures_max
        self._rest_seconds: Final = rest_seconds
        self._clock: Final = clock
        self._failures = 0
        self._closed_until = 0.0

    def check(self) -> None:
        """Raise Unevaluable while the model is left alone; after that one question may find out whether it is back."""
        if self._failures < self._failures_max:
            return
        now = self._clock.monotonic()
        if now < self._closed_until:
            metrics.EVALUATORS_JUDGE_CALLS.labels("left alone").inc()
            raise Unevaluable(
                f"the language model failed {self._failures} times in a row and is left alone for a while"
            )
        self._closed_until = now + self._rest_seconds

    def succeeded(self) -> None:
        """Count an answer."""
        self._failures = 0

    def failed(self) -> None:
        """Count a failure; the last one that is allowed begins the rest."""
        self._failures += 1
        if self._failures == self._failures_max:
            self._closed_until = self._clock.monotonic() + self._rest_seconds
