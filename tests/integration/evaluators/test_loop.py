"""The whole stage with real processes around it: every closed session is judged once, from its whole transcript."""

import asyncio
from collections.abc import AsyncIterator, Collection

import pytest
import pytest_asyncio

from pipeline.events.rules import RuleEvaluator, RuleFilter
from pipeline.sinks.reconciliation import balance_all
from tests.support.evaluating import Evaluating, Given, evaluating
from tests.support.evaluator_faults import COUNTED, NAMES, assert_each_once, killed_under_load
from tests.support.judge_server import BY_TURNS, JudgeServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "sk-very-secret"
JUDGE_SETTINGS = {
    "evaluate_judge_model": "m", "evaluate_judge_api_key": KEY, "evaluate_judge_timeout_seconds": 1,
    "evaluate_judge_attempts_max": 6, "evaluate_judge_retry_seconds_max": 0.2, "evaluate_judge_failures_max": 1000,
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Evaluating]:
    async with (
        JudgeServer(BY_TURNS) as model,
        evaluating(tmp_path_factory.mktemp("line"), "worker", "sink") as started,
    ):
        await started.start_stage("evaluate", evaluate_judge_url=model.url, **JUDGE_SETTINGS)
        yield started


def values(scores: Collection[Given], name: str) -> dict[str, set[float]]:
    found: dict[str, set[float]] = {}
    for score in scores:
        if score.name == name:
            found.setdefault(score.thread_id, set()).add(score.value)
    return found


async def test_sessions_are_judged_once_and_a_reopened_thread_again_as_a_whole(line: Evaluating) -> None:
    project = "judged"
    rule = await line.put_rule(project, *COUNTED)
    await line.put_rule(project, RuleEvaluator("turns"), name="long ones", filters=(RuleFilter("turns", ">", "3"),))
    await asyncio.gather(*(line.say(project, f"t{number}", turns=2, spans=2) for number in range(20)))
    await line.settled()
    # A change of a rule counts for what closes from then on, with no process started anew.
    await line.put_rule(
        project, *COUNTED, RuleEvaluator("goal_words", parameters={"words": ["answer"]}),
        id=rule.id, name="renamed",
    )  # fmt: skip
    await line.say(project, "t0", turns=2, spans=2)
    await line.settled()

    closed, scores = await line.closed_sessions(project), await line.scores(project)

    assert len(closed) == 21
    later = {(score.thread_id, score.session_id) for score in scores if score.name == "goal_words"}
    assert [thread_id for thread_id, _ in later] == ["t0"]
    by_rule = {name: [score for score in scores if score.author.startswith(name)] for name in ("rule/", "renamed/")}
    assert_each_once(by_rule["rule/"], closed - later, NAMES)
    assert_each_once(by_rule["renamed/"], later, {*NAMES, "goal_words"})
    assert values(scores, "turns")["t0"] == {2, 4}
    assert values(scores, "steps")["t0"] == {4, 8}
    assert values(scores, "unanswered_questions") == {f"t{number}": {0} for number in range(20)}
    assert [(score.thread_id, score.value) for score in scores if score.author == "long ones/turns"] == [("t0", 4)]
    assert {score.origin for score in by_rule["rule/"] if score.name == "turns"} == {f"{rule.id}/turns/1"}


async def test_while_storage_is_away_evaluations_wait_and_then_have_whole_transcripts(line: Evaluating) -> None:
    project = "away"
    await line.put_rule(project, *COUNTED)
    line.lines.clear()
    await line.clickhouse.kill()
    await asyncio.gather(*(line.say(project, f"t{number}", turns=3, spans=2) for number in range(30)))
    await eventually(lambda: _says(line, "waiting"), bool)
    await line.clickhouse.start()
    await line.settled()

    closed, scores = await line.closed_sessions(project), await line.scores(project)

    assert len(closed) == 30
    assert_each_once(scores, closed, NAMES)
    assert set().union(*values(scores, "turns").values()) == {3}
    assert set().union(*values(scores, "steps").values()) == {6}
    assert set().union(*values(scores, "unanswered_questions").values()) == {0}


async def test_an_evaluator_that_is_killed_under_load_loses_and_doubles_no_score(line: Evaluating) -> None:
    await killed_under_load(line, "killed", kills=2, threads_per_kill=30, seed=1)

    assert not await _says(line, KEY)
    # What could not be evaluated is stored all the same, and counts once.
    assert {balance.topic: balance.gap for balance in await balance_all(line.kafka, line.client) if balance.gap} == {}


async def _says(line: Evaluating, text: str) -> bool:
    return any(text in said for said in line.lines)
