"""Wait for what another process will do, by looking again; bounded, and with a word on what was last seen.

Looks come ever more seldom, and never take most of the time: the longer something lasts, the less it matters to see
its end at once, and what is waited for needs the CPU more than the one who waits.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

LOOK_INTERVAL_SECONDS = 0.1
LOOK_INTERVAL_SECONDS_MAX = 1.0
PART_OF_WAIT = 0.1
"""A pause is so much of the wait so far: what took 10 s is seen 1 s late."""
PAUSE_PER_LOOK = 3
"""So many times as long as the last look took is paused at least."""
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
    began = looked_at = time.monotonic()
    while not holds(seen := look()):
        assert time.monotonic() < began + seconds_max, f"not within {seconds_max} s; last seen: {seen!r}"
        pause.wait(max(interval_seconds, _pause_seconds(began, looked_at)))
        looked_at = time.monotonic()
    return seen


async def eventually(
    look: Callable[[], Awaitable[Seen]], holds: Callable[[Seen], bool], *, seconds_max: float = PATIENCE_SECONDS
) -> Seen:
    """Return what `look` sees as soon as it `holds`, for tests in an event loop."""
    began = looked_at = time.monotonic()
    while not holds(seen := await look()):
        assert time.monotonic() < began + seconds_max, f"not within {seconds_max} s; last seen: {seen!r}"
        await asyncio.sleep(max(LOOK_INTERVAL_SECONDS, _pause_seconds(began, looked_at)))
        looked_at = time.monotonic()
    return seen


def _pause_seconds(began: float, looked_at: float) -> float:
    """Return how long to pause after a look, by when waiting `began` and when that look did."""
    now = time.monotonic()
    return min(LOOK_INTERVAL_SECONDS_MAX, max(PART_OF_WAIT * (now - began), PAUSE_PER_LOOK * (now - looked_at)))
