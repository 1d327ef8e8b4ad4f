import asyncio
import threading

from prometheus_client import REGISTRY

from pipeline.adapters.telemetry.loop_delay import INTERVAL_SECONDS, watched_loop

HELD_SECONDS = 0.3


def observed(stage: str, *, above: str) -> float:
    def samples(suffix: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"threadline_loop_delay_seconds_{suffix}", {"stage": stage, **labels}) or 0.0

    return samples("count") - samples("bucket", le=above)


async def test_a_loop_that_is_held_up_is_seen() -> None:
    async with watched_loop("held"):
        await asyncio.sleep(0)
        threading.Event().wait(INTERVAL_SECONDS + HELD_SECONDS)  # holds the loop, as no coroutine may
        await asyncio.sleep(INTERVAL_SECONDS)

    assert observed("held", above="0.25") >= 1


async def test_nothing_is_observed_after_the_block() -> None:
    async with watched_loop("left"):
        pass
    before = observed("left", above="0.005")
    await asyncio.sleep(INTERVAL_SECONDS * 2)

    assert observed("left", above="0.005") == before
