import io

from rich.console import Console

from pipeline.adapters.clock import SystemClock
from pipeline.commands.bench.e2e import LOAD, REQUEST_TRACES, Plan, figures, measure
from pipeline.local.stack import STAGES

PLAN = Plan(traces_per_second=2000, seconds=2)


async def test_every_trace_becomes_readable_and_every_stage_has_its_share() -> None:
    found = await measure(PLAN, SystemClock(), Console(file=io.StringIO()))

    assert (found.traces, found.gap) == (PLAN.requests * REQUEST_TRACES, 0)
    assert 0 < found.latency_p50_s <= found.latency_p99_s
    assert found.cpu_seconds.keys() == {"kafka", "clickhouse", *STAGES, LOAD}
    assert all(figures(found)[f"{name}_cpu_us_per_trace"] > 0 for name in ("serve", "worker", "sink", LOAD))
