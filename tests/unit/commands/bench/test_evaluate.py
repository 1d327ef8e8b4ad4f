from pipeline.commands.bench.close_to_score import Scored
from pipeline.commands.bench.evaluate import Evaluated, figures


def test_the_figures_are_by_the_time_of_one_core_and_by_the_time_that_passes() -> None:
    found = Evaluated(threads=1000, turns=10, scores=8000, seconds=4.0, cpu_seconds=2.0)
    scored = Scored(threads=50, close_to_score_p50_s=1.25, close_to_score_p99_s=2.5)

    printed = figures(found, scored)

    assert (printed["threads_per_core_s"], printed["cpu_us_per_thread"]) == (500, 2000)
    assert (printed["judged"], printed["close_to_score_p50_s"], printed["close_to_score_p99_s"]) == (50, 1.25, 2.5)
