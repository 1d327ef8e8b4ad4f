from rich.console import Console

from pipeline.adapters.clock import SystemClock
from pipeline.commands.bench.evaluate import TURNS, measure

SCORES_OF_A_THREAD = 8
"""Six evaluators, of which two give two scores each."""


async def test_every_thread_is_scored_and_what_that_took_is_told() -> None:
    found = await measure(120, SystemClock(), Console(quiet=True))

    assert (found.threads, found.turns, found.scores) == (120, TURNS, 120 * SCORES_OF_A_THREAD)
