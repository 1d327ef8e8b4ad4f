"""Clients that send one request after the other, and note when they were answered."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

import aiohttp

from pipeline.adapters.clock import Clock
from pipeline.commands.bench.requests import PATH, Request
from pipeline.errors import FatalError

_REQUEST_SECONDS_MAX: Final = 120.0
_HEADERS: Final = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
_TAKEN: Final = 204
_OVERLOADED: Final = 429


@dataclass(slots=True)
class Answers:
    """What became of the requests: how many came with which status, and how long the taken ones took."""

    statuses: Counter[int] = field(default_factory=Counter)
    traces_taken: int = 0
    seconds: list[float] = field(default_factory=list)


async def drive(url: str, requests: Iterator[Request], clock: Clock, *, connections: int, workspace: str) -> Answers:
    """Send all `requests` over `connections`, each of which waits for an answer before it sends the next.

    A 429 is noted and not sent again. Raises FatalError on any other answer than success.
    """
    answers = Answers()
    connector = aiohttp.TCPConnector(limit=connections)
    timeout = aiohttp.ClientTimeout(total=_REQUEST_SECONDS_MAX)
    headers = {**_HEADERS, "Comet-Workspace": workspace}
    async with aiohttp.ClientSession(headers=headers, connector=connector, timeout=timeout) as session:

        async def client() -> None:
            for request in requests:
                began_at = clock.monotonic()
                async with session.post(f"{url}{PATH}", data=BytesIO(request.body)) as answer:
                    said = await answer.text()
                _note(answers, answer.status, said, request, clock.monotonic() - began_at)

        await asyncio.gather(*(client() for _ in range(connections)))
    return answers


def _note(answers: Answers, status: int, said: str, request: Request, seconds: float) -> None:
    answers.statuses[status] += 1
    if status == _TAKEN:
        answers.traces_taken += request.traces
        answers.seconds.append(seconds)
    elif status != _OVERLOADED:
        raise FatalError(f"the gateway answers {status}: {said}")
