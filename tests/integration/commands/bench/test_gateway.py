import io

from rich.console import Console

from pipeline.adapters.clock import SystemClock
from pipeline.commands.bench.gateway import CONTENDERS, HEADLINE, Plan, compare

PLAN = Plan({HEADLINE: 4}, burst_requests=2, fairness_seconds=0)


async def test_every_contender_takes_in_as_many_traces() -> None:
    found = await compare(PLAN, SystemClock(), Console(file=io.StringIO()))

    for name in CONTENDERS:
        legs = getattr(found, name)
        assert {size: leg.throughput.events for size, leg in legs.items()} == {HEADLINE: 4000}
    assert found.rss_bytes > 20 * 1024 * 1024
