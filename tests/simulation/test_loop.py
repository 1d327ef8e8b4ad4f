import asyncio

import pytest

from tests.simulation.loop import CURRENT, Loop, Process

STOPPED_SECONDS = 5.0


def test_time_passes_only_as_far_as_somebody_waits_for_it() -> None:
    loop = Loop(step_seconds=0.0)
    times: list[float] = []

    async def main() -> None:
        async with asyncio.timeout(1.0):
            await asyncio.sleep(0.9)
        times.append(loop.time())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await asyncio.sleep(loop.time() + 1000)
        times.append(loop.time())

    loop.run(main())
    assert times == [0.9, 2.9]


def test_a_stopped_process_does_nothing_until_it_goes_on_and_then_all_that_was_due() -> None:
    loop = Loop(step_seconds=0.0)
    process = Process("stopped")
    beats: list[float] = []

    async def beat() -> None:
        for _ in range(3):
            await asyncio.sleep(0.4)
            beats.append(round(loop.time(), 3))

    async def main() -> None:
        CURRENT.set(process)
        beating = loop.create_task(beat())
        CURRENT.set(None)
        await asyncio.sleep(0.5)
        process.is_stopped = True
        await asyncio.sleep(STOPPED_SECONDS)
        loop.resume(process)
        await beating

    loop.run(main())
    assert beats == [0.4, 5.5, 5.9]


def test_a_program_in_which_nothing_can_happen_any_more_ends() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="never happens"):
        Loop(step_seconds=0.0).run(main())
