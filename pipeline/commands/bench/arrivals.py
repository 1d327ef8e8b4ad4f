"""When what was sent becomes readable: ClickHouse is asked for it until it is there."""

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.commands.bench.requests import PROJECT_NAME, Request
from pipeline.events.identity import project_id

LOOK_SECONDS: Final = 0.2
"""How often it is asked; what is found was there up to so much earlier."""
ASKED_MAX: Final = 16
"""Traces in one question."""

# The folded row is the last of a trace that the sink writes: whoever lists traces reads it. Naming the threads, by
# which the table is ordered, makes a question cheaper, but each still costs a granule of every part.
_FOUND: Final = """
SELECT toString(id) AS trace_id FROM traces
WHERE workspace = {workspace:String} AND project_id = {project:UUID} AND thread_id IN {threads:Array(String)}
    AND id IN {ids:Array(UUID)}"""


class Arrivals:
    """Waits for traces by their ids, and keeps how long each took from the moment that it was due."""

    def __init__(self, client: ClickHouse, clock: Clock, *, workspace: str) -> None:
        self._client: Final = client
        self._clock: Final = clock
        self._workspace: Final = workspace
        self._project: Final = project_id(workspace, PROJECT_NAME)
        self._due: Final[dict[str, tuple[Request, float]]] = {}
        self._all_expected = False
        self.seconds: Final[list[float]] = []
        """From due to readable, of each that has arrived."""

    def expect(self, request: Request, due_at: float) -> None:
        """Wait for the first trace of one more request."""
        self._due[request.first_id] = (request, due_at)

    def expect_no_more(self) -> None:
        """Say that those expected by now are all."""
        self._all_expected = True

    async def watch(self) -> None:
        """Return when all that were expected have arrived."""
        while self._due or not self._all_expected:
            await self._look()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        """Ask for the one that has waited longest, and for those after it only where that is there.

        Most looks find nothing; to ask for all that are due took a twentieth of ClickHouse's time, and a fifth where it
        was behind.
        """
        asked = 1
        while self._due:
            wanted = list(islice(self._due, asked))
            found = {row["trace_id"] for row in await self._client.rows(_FOUND, self._parameters(wanted))}
            now = self._clock.monotonic()
            for trace_id in found:
                self.seconds.append(now - self._due.pop(trace_id)[1])
            if len(found) < len(wanted):
                return
            asked = ASKED_MAX

    def _parameters(self, ids: Sequence[str]) -> dict[str, Any]:
        threads = sorted({self._due[one][0].first_thread_id for one in ids})
        return {"workspace": self._workspace, "project": self._project, "threads": threads, "ids": ids}
