import asyncio

from pipeline.events.controls import SETTING_DECODER, Setting
from pipeline.stream.ticks import run_ticks, write_default_timeout
from tests.unit.stream.logs import NUMBER, Log, key, thread
from tests.unit.stream.recording import Recording, owned_after


async def ticks_after(log: Log) -> list[int | None]:
    owned, _ = owned_after(log)
    broker = Recording()
    ticking = asyncio.create_task(run_ticks(owned, broker, 0.0))
    for _ in range(5):
        await asyncio.sleep(0)
    ticking.cancel()
    return [record.partition for record in broker.records.get("traces", [])]


async def test_a_partition_with_open_threads_gets_the_time() -> None:
    assert set(await ticks_after(Log().trace(key("a")))) == {NUMBER}


async def test_a_partition_without_open_threads_does_not() -> None:
    assert await ticks_after(Log().trace(key("a")).command("close", thread("a"))) == []


async def test_the_default_timeout_is_written_where_it_differs_and_keeps_the_regime() -> None:
    owned, _ = owned_after(Log().setting(None, 5000, "lenient"))
    broker = Recording()
    await write_default_timeout(owned, broker, 5000)
    assert broker.acked == []
    await write_default_timeout(owned, broker, 7000)
    [record] = broker.records["traces"]
    assert record.partition == NUMBER
    assert SETTING_DECODER.decode(record.value or b"") == Setting(timeout_ms=7000, score_regime="lenient")
