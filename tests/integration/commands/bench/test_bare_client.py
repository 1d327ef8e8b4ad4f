from pipeline.adapters.clock import SystemClock
from pipeline.commands.bench.bare_client import read
from pipeline.commands.bench.load import Load, mixed_records, publish
from pipeline.commands.bench.stream import embedded_broker

EVENTS = 3000


async def test_the_bare_client_parses_every_record_of_the_log() -> None:
    clock = SystemClock()
    async with embedded_broker(clock) as kafka:
        await publish(kafka, mixed_records(Load(EVENTS, threads=100), clock))
        found = await read(kafka, EVENTS, clock)

    assert found.events == EVENTS
    assert found.seconds > 0
    assert found.cpu_seconds > 0
