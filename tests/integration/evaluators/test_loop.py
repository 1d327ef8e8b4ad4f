"""The whole stage with real processes around it: every closed session is judged once, from its whole transcript."""

import asyncio
from collections.abc import Collection
from pathlib import Path

from pipeline.events.rules import RuleEvaluator, RuleFilter
from tests.support.evaluating import Evaluating, Given, evaluating
from tests.support.waiting import eventually

COUNTS = (RuleEvaluator("turns"), RuleEvaluator("steps"), RuleEvaluator("unanswered_questions"))
NAMES = {"turns", "steps", "failed_steps", "unanswered_questions"}


def assert_each_once(scores: Collection[Given], closed: set[tuple[str, str]], names: set[str]) -> None:
    """Every session has one score of each name, with one content, however often it was given."""
    assert {(score.thread_id, score.session_id, score.name) for score in scores} == {
        (*session, name) for session in closed for name in names
    }
    assert [score for score in scores if score.different != 1] == []


def values(scores: Collection[Given], name: str) -> dict[str, set[float]]:
    found: dict[str, set[float]] = {}
    for score in scores:
        if score.name == name:
            found.setdefault(score.thread_id, set()).add(score.value)
    return found


async def test_sessions_are_judged_once_and_a_reopened_thread_again_as_a_whole(tmp_path: Path) -> None:
    async with evaluating(tmp_path, "worker", "sink", "evaluate") as line:
        await line.put_rule(*COUNTS)
        await line.put_rule(RuleEvaluator("turns"), name="long ones", filters=(RuleFilter("turns", ">", "3"),))
        await asyncio.gather(*(line.say(f"t{number}", turns=2, spans=2) for number in range(20)))
        await line.settled()
        await line.say("t0", turns=2, spans=2)
        await line.settled()

        closed = await line.closed_sessions()
        scores = await line.scores()

    assert len(closed) == 21
    assert_each_once([score for score in scores if score.author.startswith("rule/")], closed, NAMES)
    assert values(scores, "turns")["t0"] == {2, 4}
    assert values(scores, "steps")["t0"] == {4, 8}
    assert values(scores, "unanswered_questions") == {f"t{number}": {0} for number in range(20)}
    assert [(score.thread_id, score.value) for score in scores if score.author == "long ones/turns"] == [("t0", 4)]
    assert {score.origin.split("/")[1:] == ["turns", "1"] for score in scores if score.name == "turns"} == {True}


async def test_while_storage_is_away_evaluations_wait_and_then_have_whole_transcripts(tmp_path: Path) -> None:
    async with evaluating(tmp_path, "worker", "sink") as line:
        await line.start_stage("evaluate", evaluate_default_evaluators="turns,steps,unanswered_questions")
        await line.clickhouse.kill()
        await asyncio.gather(*(line.say(f"t{number}", turns=3, spans=2) for number in range(30)))
        await eventually(lambda: _says(line, "waiting"), bool, seconds_max=30)
        await line.clickhouse.start()
        await line.settled()

        closed, scores = await line.closed_sessions(), await line.scores()

    assert len(closed) == 30
    assert_each_once(scores, closed, NAMES)
    assert set().union(*values(scores, "turns").values()) == {3}
    assert set().union(*values(scores, "steps").values()) == {6}
    assert set().union(*values(scores, "unanswered_questions").values()) == {0}


async def _says(line: Evaluating, text: str) -> bool:
    return any(text in said for said in line.lines)
