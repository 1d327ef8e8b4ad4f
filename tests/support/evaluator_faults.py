"""The evaluator killed by -9 again and again, under load, with a model that fails in every way."""

import asyncio
import random
from collections.abc import Collection
from typing import Final

from pipeline.events.rules import RuleEvaluator
from tests.support.evaluating import Evaluating, Given
from tests.support.judge_server import HOPELESS
from tests.support.waiting import eventually

JUDGE: Final = "rule/coherence"
COUNTED: Final = (RuleEvaluator("turns"), RuleEvaluator("steps"), RuleEvaluator("unanswered_questions"))
NAMES: Final = {"turns", "steps", "failed_steps", "unanswered_questions"}
HOPELESS_SHARE: Final = 0.1
PROGRESS_SECONDS_MAX: Final = 120.0


async def killed_under_load(line: Evaluating, project: str, *, kills: int, threads_per_kill: int, seed: int) -> str:
    """Kill the evaluator `kills` times while threads close, let all settle, check every session; return a summary."""
    chance = random.Random(seed)
    await line.put_rule(project, *COUNTED, RuleEvaluator("coherence"))
    said = 0
    for _ in range(kills):
        before = len(await line.scores(project))
        for _ in range(threads_per_kill):
            words = HOPELESS if chance.random() < HOPELESS_SHARE else "question"
            await line.say(project, f"{words} {said}", turns=2, spans=2, said=words)
            said += 1

        async def scored(before: int = before) -> bool:
            return len(await line.scores(project)) > before

        await eventually(scored, bool, seconds_max=PROGRESS_SECONDS_MAX)
        await asyncio.sleep(chance.random() * 0.3)
        await line.kill("evaluate")
        await line.start_again("evaluate")
    await line.settled()
    return await check(line, project, threads=said)


async def check(line: Evaluating, project: str, *, threads: int) -> str:
    """Compare every closed session with its scores and dead letters; return a summary."""
    closed, scores, letters = (
        await line.closed_sessions(project), await line.scores(project), await line.set_aside(project)
    )  # fmt: skip
    assert len({thread_id for thread_id, _ in closed}) == threads
    assert_each_once([score for score in scores if score.author != JUDGE], closed, NAMES)
    judged = [score for score in scores if score.author == JUDGE]
    assert_each_once(judged, {(score.thread_id, score.session_id) for score in judged}, {"coherence"})
    without = closed - {(score.thread_id, score.session_id) for score in judged}
    assert without <= letters.keys(), "neither a score nor a dead letter"
    assert all(reason.startswith(f"{JUDGE}: ") for reason in letters.values()), letters
    hopeless = {session for session in closed if session[0].startswith(HOPELESS)}
    assert hopeless <= without
    assert all("refuses: 400" in letters[session] for session in hopeless)
    expected = {"turns": 2.0, "steps": 4.0, "failed_steps": 0.0, "unanswered_questions": 0.0, "coherence": 0.75}
    sessions_of_one = {thread_id for thread_id, _ in closed if sum(thread_id == one for one, _ in closed) == 1}
    wrong = [one for one in scores if one.thread_id in sessions_of_one and one.value != expected[one.name]]
    assert wrong == []
    return f"{len(closed)} sessions, {len(judged)} judged, {len(letters)} set aside ({len(hopeless)} hopeless)"


def assert_each_once(scores: Collection[Given], closed: Collection[tuple[str, str]], names: set[str]) -> None:
    """Check that every session has one score of each name, with one content, however often it was given."""
    assert {(score.thread_id, score.session_id, score.name) for score in scores} == {
        (*session, name) for session in closed for name in names
    }
    assert [score for score in scores if score.different != 1] == []
