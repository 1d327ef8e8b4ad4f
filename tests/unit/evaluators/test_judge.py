import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from pipeline.adapters.chat import ChatModel, Message
from pipeline.adapters.clock import SystemClock
from pipeline.adapters.telemetry.metrics import EVALUATORS_JUDGE_COST, EVALUATORS_JUDGE_TOKENS
from pipeline.errors import Unevaluable
from pipeline.evaluators.judge import Judge, Opinion
from pipeline.settings import EvaluateSettings
from tests.support.judge_server import ANSWER_TOKENS, HOPELESS, PROMPT_TOKENS, JudgeServer

ASKED = [Message("user", "well?")]
QUICK = {"judge_retry_seconds_max": 0.02, "judge_timeout_seconds": 0.5}


@asynccontextmanager
async def judging(server: JudgeServer, **values: float) -> AsyncIterator[Judge]:
    settings = EvaluateSettings(**{**QUICK, **values})  # type: ignore[arg-type]
    async with ChatModel(server.url, SecretStr(""), timeout_seconds=settings.judge_timeout_seconds) as model:
        yield Judge(model, settings, SystemClock())


async def test_an_opinion_is_asked_for_and_what_it_took_is_counted() -> None:
    tokens, cost = EVALUATORS_JUDGE_TOKENS.labels("input"), EVALUATORS_JUDGE_COST
    before = tokens._value.get(), cost._value.get()
    async with JudgeServer() as server, judging(server, judge_input_price=2.0, judge_output_price=4.0) as judge:
        assert await judge.ask("m", ASKED) == Opinion("it reads well", 0.75)

    assert tokens._value.get() - before[0] == PROMPT_TOKENS
    assert cost._value.get() - before[1] == pytest.approx((2 * PROMPT_TOKENS + 4 * ANSWER_TOKENS) / 1e6)


@pytest.mark.parametrize("behaviour", ["error", "malformed", "not json", "out of range", "hang", "busy"])
async def test_what_is_no_opinion_is_asked_for_again(behaviour: str) -> None:
    async with JudgeServer([behaviour, behaviour, "answer"]) as server, judging(server) as judge:
        assert (await judge.ask("m", ASKED)).score == 0.75

    assert server.counts == {behaviour: 2, "answer": 1}


async def test_after_the_last_attempt_it_is_given_up_with_the_last_reason() -> None:
    async with JudgeServer(["error"]) as server, judging(server, judge_attempts_max=3) as judge:
        with pytest.raises(Unevaluable, match="no opinion in 3 attempts; the last: answered 500: out of memory"):
            await judge.ask("m", ASKED)

    assert server.counts == {"error": 3}


async def test_a_refused_question_is_asked_once() -> None:
    async with JudgeServer() as server, judging(server) as judge:
        with pytest.raises(Unevaluable, match="400"):
            await judge.ask("m", [Message("user", HOPELESS)])

    assert server.counts == {"refuse": 1}


async def test_no_more_questions_are_on_their_way_than_may_be() -> None:
    async with JudgeServer(answer_seconds=0.02) as server, judging(server, judge_concurrency_max=3) as judge:
        await asyncio.gather(*(judge.ask("m", ASKED) for _ in range(12)))

    assert (server.counts["answer"], server.on_the_way_max) == (12, 3)


async def test_over_budget_nothing_is_asked() -> None:
    async with JudgeServer() as server, judging(server, judge_tokens_per_hour=100) as judge:
        with pytest.raises(Unevaluable, match="budget"):
            await judge.ask("m", ASKED)

    assert server.counts == {}


async def test_a_model_that_is_away_is_left_alone_after_some_failures() -> None:
    async with JudgeServer(["error"]) as server, judging(server, judge_failures_max=5) as judge:
        for _ in range(10):
            with pytest.raises(Unevaluable):
                await judge.ask("m", ASKED)

    assert server.counts == {"error": 5}
