import asyncio
from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest

from pipeline.adapters.clock import ManualClock
from pipeline.errors import Unevaluable
from pipeline.evaluators.evaluator import Evaluator, Verdict
from pipeline.evaluators.rulebook import Appointed
from pipeline.evaluators.scoring import Judged, checked, judge
from pipeline.evaluators.transcript import Transcript
from tests.unit.evaluators.transcripts import transcript

GIVEN = transcript(("a", "b"))
SEEN_US = 1_760_000_000_500_000


class Says(Evaluator):
    version = "3"

    def __init__(self, *verdicts: Verdict) -> None:
        self.verdicts = verdicts

    async def evaluate(self, transcript: Transcript) -> Sequence[Verdict]:  # noqa: ARG002
        return self.verdicts


class Fails(Evaluator):
    async def evaluate(self, transcript: Transcript) -> Sequence[Verdict]:
        raise ZeroDivisionError(transcript.thread_id)


class Meets(Evaluator):
    """Waits until as many as there are places wait: only where they run beside each other does that happen."""

    asks_outside = True

    def __init__(self, barrier: asyncio.Barrier) -> None:
        self.barrier = barrier

    async def evaluate(self, transcript: Transcript) -> Sequence[Verdict]:  # noqa: ARG002
        await self.barrier.wait()
        return [Verdict("met", 1)]


def appointed(evaluator: Evaluator, author: str = "rule/one") -> Appointed:
    return Appointed("kind", author, "rule-id/one/3", evaluator)


async def judged_by(*by: Appointed, seconds_max: float = 30.0) -> Judged:
    return await judge(GIVEN, by, closed_seen_us=SEEN_US, clock=ManualClock(), seconds_max=seconds_max)


async def test_a_score_is_the_same_when_it_is_given_again() -> None:
    one = appointed(Says(Verdict("mood", 0.1, "why")))
    first, second = await judged_by(one), await judged_by(one)

    assert first == second
    [score] = first.scores
    assert msgspec.json.encode(score) == (
        b'{"workspace":"default","version_us":1760003600000000,"received_at_us":1760000000500000,'
        b'"entity_type":"thread","entity_id":"00000000-0000-0000-0000-000000000008","event":"set","name":"mood",'
        b'"author":"rule/one","value":"0.100000000","source":"online_scoring","reason":"why",'
        b'"source_queue_id":"rule-id/one/3","project_id":"00000000-0000-0000-0000-000000000007",'
        b'"thread_id":"Order 7","session_id":"log:0:3"}'
    )


async def test_one_that_fails_costs_the_others_nothing() -> None:
    judged = await judged_by(appointed(Fails(), "rule/bad"), appointed(Says(Verdict("x", -0.0))))

    assert [(score.name, score.value) for score in judged.scores] == [("x", Decimal("0E-9"))]
    assert judged.failures == [("rule/bad", "Order 7")]


async def test_those_that_ask_outside_run_beside_each_other() -> None:
    barrier = asyncio.Barrier(3)

    judged = await judged_by(*(appointed(Meets(barrier), f"rule/{number}") for number in range(3)))

    assert len(judged.scores) == 3


async def test_one_that_never_answers_is_given_up_and_the_others_count() -> None:
    judged = await judged_by(
        appointed(Meets(asyncio.Barrier(2)), "rule/slow"), appointed(Says(Verdict("x", 1))), seconds_max=0.01
    )

    assert [score.name for score in judged.scores] == ["x"]
    assert judged.failures == [("rule/slow", "TimeoutError after 0.0 s")]


@pytest.mark.parametrize(
    "verdicts",
    [
        [Verdict("x", float("nan"))], [Verdict("x", float("inf"))], [Verdict("x", 1e9)], [Verdict(" ", 1)],
        [Verdict("x" * 151, 1)], [Verdict("x", 1), Verdict("x", 2)],
    ],
)  # fmt: skip
def test_what_is_no_score_is_refused(verdicts: list[Verdict]) -> None:
    with pytest.raises(Unevaluable):
        checked(verdicts)


async def test_a_reason_is_cut() -> None:
    [score] = (await judged_by(appointed(Says(Verdict("x", 1, "y" * 9000))))).scores

    assert score.reason == "y" * 4000
