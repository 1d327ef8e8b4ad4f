"""The evaluator killed by -9 ten times, on Apache Kafka: every session has its scores once, or a dead letter."""

from pathlib import Path

import pytest

from tests.support.evaluating import evaluating
from tests.support.evaluator_faults import killed_under_load
from tests.support.judge_server import BY_TURNS, JudgeServer

KILLS = 10
THREADS_PER_KILL = 60


@pytest.mark.apache_kafka
async def test_ten_kills_lose_and_double_no_score(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = evaluating(tmp_path, "worker", "sink", on_apache_kafka=True)
    async with JudgeServer(BY_TURNS) as model, stages as line:
        await line.start_stage(
            "evaluate", evaluate_judge_url=model.url, evaluate_judge_model="m", evaluate_judge_timeout_seconds=1,
            evaluate_judge_attempts_max=6, evaluate_judge_retry_seconds_max=0.2, evaluate_judge_failures_max=1000,
        )  # fmt: skip
        summary = await killed_under_load(line, "killed", kills=KILLS, threads_per_kill=THREADS_PER_KILL, seed=seed)
    with capsys.disabled():
        print(f"\n{KILLS} kills: {summary}; the model's behaviours: {dict(model.counts)}")
