"""A workspace that sends more than its share and does not care for what it is answered.

A process of its own, since who measures what another workspace feels must not be slowed down by it. Run as
`python -m pipeline.commands.bench.greedy_client <url> <traces a request> <requests a second> <seconds> <connections>`;
says `sending` when it begins, and prints one line of JSON at its end.
"""

import asyncio
import sys
from itertools import cycle, islice
from typing import Final

import msgspec

from pipeline.adapters.clock import Clock, SystemClock
from pipeline.commands.bench.http_load import Answers, Clients
from pipeline.commands.bench.requests import Requests

SENDING: Final = "sending"
_DISTINCT: Final = 20
_OVERLOADED: Final = 429


class Greed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of its requests: traces that were taken, and requests that were refused."""

    traces_taken: int
    refused: int


async def _send(url: str, traces: int, per_second: float, seconds: float, connections: int, clock: Clock) -> Answers:
    waiting = islice(cycle(list(Requests(clock, seed=2).many(_DISTINCT, traces))), int(per_second * seconds))
    async with Clients(url, clock, connections=connections, workspace="greedy") as clients:
        print(SENDING, flush=True)  # noqa: T201
        return await clients.pace(waiting, per_second=per_second)


def main(url: str, traces: str, per_second: str, seconds: str, connections: str) -> None:
    """Send, and print what became of it."""
    answers = asyncio.run(_send(url, int(traces), float(per_second), float(seconds), int(connections), SystemClock()))
    greed = Greed(traces_taken=answers.traces_taken, refused=answers.statuses[_OVERLOADED])
    print(msgspec.json.encode(greed).decode(), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
