"""Clients that send requests, one after the other or each at its time, and note when they were answered."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final, Self

import aiohttp

from pipeline.adapters.clock import Clock
from pipeline.commands.bench.requests import PATH, Request
from pipeline.errors import FatalError

_REQUEST_SECONDS_MAX: Final = 120.0
_HEADERS: Final = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
_TAKEN: Final = 204
_OVERLOADED: Final = 429

OnDue = Callable[[Request, float], None]
"""Is told of a request when it is due, and when that is."""


@dataclass(slots=True)
class Answers:
    """What became of the requests: how many came with which status, and how long the taken ones took."""

    statuses: Counter[int] = field(default_factory=Counter)
    traces_taken: int = 0
    seconds: list[float] = field(default_factory=list)


class Clients:
    """Sends to the gateway at `url` in one workspace, over at most `connections`; an async context."""

    def __init__(self, url: str, clock: Clock, *, connections: int, workspace: str) -> None:
        self._url: Final = f"{url}{PATH}"
        self._clock: Final = clock
        self._connections: Final = connections
        self._headers: Final = {**_HEADERS, "Comet-Workspace": workspace}
        self._session: aiohttp.ClientSession | None = None
        self.answers: Final = Answers()

    async def __aenter__(self) -> Self:
        """Open the session."""
        connector = aiohttp.TCPConnector(limit=self._connections)
        timeout = aiohttp.ClientTimeout(total=_REQUEST_SECONDS_MAX)
        self._session = aiohttp.ClientSession(headers=self._headers, connector=connector, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def drive(self, requests: Iterator[Request]) -> Answers:
        """Send all `requests`; each connection waits for an answer before it sends the next.

        A 429 is noted and not sent again. Raises FatalError on any other answer than success.
        """

        async def client() -> None:
            for request in requests:
                await self._send(request)

        await asyncio.gather(*(client() for _ in range(self._connections)))
        return self.answers

    async def pace(self, requests: Iterable[Request], *, per_second: float) -> Answers:
        """Send `requests` at `per_second`, each once, however they are answered; raises as `drive`."""
        await self._at_their_times(requests, per_second, self._send, lambda _request, _due_at: None)
        return self.answers

    async def deliver(self, requests: Iterable[Request], *, per_second: float, on_due: OnDue) -> Answers:
        """Send `requests` at `per_second`, each until it is taken; after a 429 it waits as it was told to.

        Raises FatalError on any other failure.
        """
        await self._at_their_times(requests, per_second, self._send_until_taken, on_due)
        return self.answers

    async def _at_their_times(
        self,
        requests: Iterable[Request],
        per_second: float,
        send: Callable[[Request], Coroutine[Any, Any, object]],
        on_due: OnDue,
    ) -> None:
        """Send each at its own time, whatever became of those before it: so is measured who falls behind."""
        began_at = self._clock.monotonic()
        try:
            async with asyncio.TaskGroup() as sending:
                for number, request in enumerate(requests):
                    due_at = began_at + number / per_second
                    await asyncio.sleep(max(0.0, due_at - self._clock.monotonic()))
                    on_due(request, due_at)
                    sending.create_task(send(request))
        except* FatalError as failures:
            raise failures.exceptions[0] from None

    async def _send_until_taken(self, request: Request) -> None:
        pause_seconds = await self._send(request)
        while pause_seconds is not None:
            await asyncio.sleep(pause_seconds)
            pause_seconds = await self._send(request)

    async def _send(self, request: Request) -> int | None:
        """Send once; return how long the gateway asks to wait, None where it has taken the request."""
        if self._session is None:
            raise RuntimeError("the clients are not entered")
        began_at = self._clock.monotonic()
        async with self._session.post(self._url, data=BytesIO(request.body)) as answer:
            said = await answer.text()
        self.answers.statuses[answer.status] += 1
        if answer.status == _TAKEN:
            self.answers.traces_taken += request.traces
            self.answers.seconds.append(self._clock.monotonic() - began_at)
            return None
        if answer.status != _OVERLOADED:
            raise FatalError(f"the gateway answers {answer.status}: {said}")
        return int(answer.headers["Retry-After"])
