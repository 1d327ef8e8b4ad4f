import io

from rich.console import Console

from pipeline.adapters.clock import SystemClock
from pipeline.commands.bench.load import Load
from pipeline.commands.bench.stream import Plan, compare

EVENTS = 4000
PLAN = Plan(Load(EVENTS, threads=200), stock_events=EVENTS, threads=200)


async def test_every_contender_applies_exactly_all_events_of_the_same_topic() -> None:
    found = await compare(PLAN, SystemClock(), Console(file=io.StringIO()))

    assert found.bound.events == found.stock.events == found.ours.events == EVENTS
    assert found.stock.cpu_us_per_event > found.ours.cpu_us_per_event > found.bound.cpu_us_per_event > 0
    assert min(found.bound.seconds, found.stock.seconds, found.ours.seconds) > 0
