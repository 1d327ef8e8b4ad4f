import io

from rich.console import Console

from pipeline.adapters.clock import SystemClock
from pipeline.commands.bench.load import Load
from pipeline.commands.bench.sink import CONTENDERS, Plan, figures, measure

EVENTS = 3000
PLAN = Plan(Load(EVENTS, threads=100, event_bytes=1200), large_events=1, fold_rows_max=1)


async def test_every_contender_stores_the_same_topic() -> None:
    found = await measure(PLAN, SystemClock(), Console(file=io.StringIO()))

    traces = EVENTS - EVENTS // 1000  # the others are commands
    assert [getattr(found, name).events for name in CONTENDERS] == [traces] * 3
    assert found.ours.events == EVENTS
    assert found.steps.rows == traces
    measured = {name: value for name, value in figures(found).items() if "above_ceiling" not in name}
    assert all(value > 0 for value in measured.values()), measured  # what is left out are differences: of either sign
    assert found.rss_bytes > 20 * 1024 * 1024
