from pipeline.adapters.clock import SystemClock
from pipeline.commands.bench.close_to_score import MODEL_SECONDS, measure


async def test_the_score_of_a_judge_can_be_read_after_the_close() -> None:
    scored = await measure(20, SystemClock())

    assert scored.threads == 20
    assert MODEL_SECONDS < scored.close_to_score_p50_s <= scored.close_to_score_p99_s
