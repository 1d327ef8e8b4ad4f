"""Wait for what another process will do, by looking again; bounded, and with a word on what was last seen."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

LOOK_INTERVAL_SECONDS = 0.1
PATIENCE_SECONDS = 120.0
"""After which what was to come is taken not to come: far longer than it takes on a machine with much else to do."""

Seen = TypeVar("Seen")


def wait_until(
    look: Callable[[], Seen],
    holds: Callable[[Seen], bool],
    *,
    seconds_max: float = PATIENCE_SECONDS,
    interval_seconds: float = LOOK_INTERVAL_SECONDS,
) -> Seen:
    """Return what `look` sees as soon as it `holds`."""
    pause = threading.Event()
    until = time.monotonic() + seconds_max
    while not holds(seen := look()):
        assert time.monotonic() < until, f"not within {seconds_max} s; last seen: {seen!r}"
        pause.wait(interval_seconds)
    return seen


async def eventually(
    look: Callable[[], Awaitable[Seen]], holds: Callable[[Seen], bool], *, seconds_max: float = PATIENCE_SECONDS
) -> Seen:
    """Return what `look` sees as soon as it `holds`, for tests in an event loop."""
    until = time.monotonic() + seconds_max
    while not holds(seen := await look()):
        assert time.monotonic() < until, f"not within {seconds_max} s; last seen: {seen!r}"
        await asyncio.sleep(LOOK_INTERVAL_SECONDS)
    return seen
