"""Long reads: traces streamed page after page, and exported in one answer; and whether memory stays where it was.

What is looked at is the process that serves.
"""

from collections.abc import AsyncGenerator, Callable
from typing import Final

import aiohttp
import msgspec

from pipeline.adapters.clock import Clock
from pipeline.commands.bench.archive import PROJECT_ID, WORKSPACE, Archive
from pipeline.commands.bench.measure import resident_bytes
from pipeline.commands.bench.our_gateway import RunningGateway
from pipeline.errors import FatalError

STREAMED_TRACES_MAX: Final = 100_000
_ONE_IN: Final = 5
"""Of a smaller archive so many are streamed: one in five."""
_WARM_UP_SHARE: Final = 0.2
"""What a process takes at first it keeps; growth is counted from when so much was read."""
_LINES_PER_PAGE: Final = 2000
_API: Final = "/api/v1/private/traces"
_HEADERS: Final = {"Comet-Workspace": WORKSPACE, "Content-Type": "application/json"}


_OF_A_TRACE: Final = b'"thread_id":'
"""What each trace of an export says, and nothing else does."""


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """One long read: traces a second of wall time, and by how much resident memory grew at most."""

    traces: int
    per_s: float
    grown_mib: float


class _Line(msgspec.Struct):
    id: str


class Streams:
    """Reads a part of `archive` from what is `served`; raises FatalError for an answer that is an error."""

    def __init__(self, session: aiohttp.ClientSession, served: RunningGateway, archive: Archive, clock: Clock) -> None:
        self._session: Final = session
        self._base_url: Final = served.url
        self._pid: Final = served.pids[0]
        self._clock: Final = clock
        self._traces: Final = max(1, min(STREAMED_TRACES_MAX, archive.traces // _ONE_IN))

    async def measured(self) -> dict[str, Flow]:
        """Return what each kind of long read did."""
        return {"stream": await self._flow(self._searched), "export": await self._flow(self._exported)}

    async def _flow(self, read: Callable[[], AsyncGenerator[int, None]]) -> Flow:
        traces, began_at, settled, most = 0, self._clock.monotonic(), 0, 0
        pieces = read()
        try:
            async for count in pieces:
                traces += count
                if traces >= self._traces * _WARM_UP_SHARE:
                    resident = resident_bytes(self._pid)
                    settled, most = settled or resident, max(most, resident)
                if traces >= self._traces:
                    break
        finally:
            await pieces.aclose()
        if traces < self._traces:
            raise FatalError(f"a long read ends after {traces:,} of {self._traces:,} traces")
        seconds = self._clock.monotonic() - began_at
        return Flow(traces=traces, per_s=traces / seconds, grown_mib=(most - settled) / 2**20)

    async def _searched(self) -> AsyncGenerator[int, None]:
        """Yield how many traces each page of the search stream has, from the newest on, as the SDK reads them."""
        cursor: dict[str, str] = {}
        while True:
            body = {"project_id": str(PROJECT_ID), "limit": _LINES_PER_PAGE} | cursor
            url = f"{self._base_url}{_API}/search"
            async with self._session.post(url, data=msgspec.json.encode(body), headers=_HEADERS) as answer:
                _check(answer)
                lines = (await answer.read()).splitlines()
            if not lines:
                return
            cursor = {"last_retrieved_id": msgspec.json.decode(lines[-1], type=_Line).id}
            yield len(lines)

    async def _exported(self) -> AsyncGenerator[int, None]:
        """Yield how many traces each piece of an export has in it."""
        url, asked = f"{self._base_url}{_API}/threads/export", {"project_id": str(PROJECT_ID)}
        async with self._session.get(url, params=asked, headers=_HEADERS) as answer:
            _check(answer)
            cut = b""
            async for piece in answer.content.iter_any():
                seen = cut + piece
                cut = seen[1 - len(_OF_A_TRACE) :]
                yield seen.count(_OF_A_TRACE)


def _check(answer: aiohttp.ClientResponse) -> None:
    if not answer.ok:
        raise FatalError(f"a long read is answered with {answer.status}")
