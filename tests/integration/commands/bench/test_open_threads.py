from pipeline.adapters.clock import SystemClock
from pipeline.commands.bench.open_threads import hold_open
from pipeline.commands.bench.stream import embedded_broker

THREADS = 3000


async def test_all_threads_are_held_open_recovered_and_closed_once() -> None:
    clock = SystemClock()
    async with embedded_broker(clock) as kafka:
        held = await hold_open(kafka, THREADS, clock, idle_seconds=2.0, lead_seconds=2.0)

    assert held.threads == THREADS
    assert held.recovery_s > 0
    assert held.bytes_per_open_thread > 0
    assert held.bytes_per_recovered_thread > 0
    assert 0 < held.idle_cpu_fraction < 1
    assert 0 < held.close_delay_p99_s <= held.close_delay_max_s
    assert held.setting_loop_delay_max_s > 0
    assert held.closing_loop_delay_max_s > 0
