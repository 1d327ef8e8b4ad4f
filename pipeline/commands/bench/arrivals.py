"""When what was sent becomes readable: ClickHouse is asked for it until it is there."""

import asyncio
from collections.abc import Iterable
from typing import Final

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock

LOOK_SECONDS: Final = 0.1
"""How often it is asked; what is found was there up to so much earlier."""

# The folded row is the last that the sink writes: whoever lists traces reads it.
_FOUND: Final = """
SELECT toString(id) AS trace_id FROM traces WHERE workspace = {workspace:String} AND id IN {ids:Array(UUID)}"""


class Arrivals:
    """Waits for traces by their ids, and keeps how long each took from the moment that it was due."""

    def __init__(self, client: ClickHouse, clock: Clock, *, workspace: str) -> None:
        self._client: Final = client
        self._clock: Final = clock
        self._workspace: Final = workspace
        self._due_at: Final[dict[str, float]] = {}
        self._all_expected = False
        self.seconds: Final[list[float]] = []
        """From due to readable, of each that has arrived."""

    def expect(self, trace_id: str, due_at: float) -> None:
        """Wait for one more trace."""
        self._due_at[trace_id] = due_at

    def expect_no_more(self) -> None:
        """Say that those expected by now are all."""
        self._all_expected = True

    async def watch(self) -> None:
        """Return when all that were expected have arrived."""
        while self._due_at or not self._all_expected:
            if self._due_at:
                parameters = {"workspace": self._workspace, "ids": list(self._due_at)}
                found = await self._client.rows(_FOUND, parameters)
                self._note(row["trace_id"] for row in found)
            await asyncio.sleep(LOOK_SECONDS)

    def _note(self, ids: Iterable[str]) -> None:
        now = self._clock.monotonic()
        for trace_id in set(ids):
            self.seconds.append(now - self._due_at.pop(trace_id))
