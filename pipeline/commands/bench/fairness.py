"""What one workspace feels of another that sends ten times its share, with quotas on.

Both have the same quota and send requests of the same size. The polite one sends half of its quota, steadily; the
greedy one ten times its own. They are measured apart, the greedy one at a gateway and a broker of its own, and beside
each other at the same gateway, by turns. So the cores are as busy in both cases, and what differs is the gateway.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import msgspec

from pipeline.adapters.clock import Clock
from pipeline.commands.bench.greedy_client import SENDING, Greed
from pipeline.commands.bench.http_load import Clients
from pipeline.commands.bench.measure import percentile
from pipeline.commands.bench.our_gateway import RunningGateway, running_gateway
from pipeline.commands.bench.our_stage import within
from pipeline.commands.bench.requests import Request, Requests
from pipeline.commands.bench.stream import embedded_broker
from pipeline.errors import FatalError
from pipeline.local.process import ChildProcess

SHARE: Final = 2000
"""Traces a second that each workspace may send."""
GREEDY_TIMES: Final = 10
REQUEST_TRACES: Final = 50
ROUNDS: Final = 2

_POLITE_PER_SECOND: Final = SHARE / 2 / REQUEST_TRACES
_GREEDY_PER_SECOND: Final = SHARE * GREEDY_TIMES / REQUEST_TRACES
_BURST_SECONDS: Final = 0.25
_CONNECTIONS: Final = 16
_DISTINCT: Final = 20
_MODULE: Final = f"{__package__}.greedy_client"
_START_SECONDS_MAX: Final = 60.0
_END_SECONDS_MAX: Final = 60.0


class Fairness(msgspec.Struct, frozen=True, kw_only=True):
    """What the polite workspace waited for, apart from the greedy one and beside it, and how that one fared there."""

    apart_p99_s: float
    beside_p99_s: float
    greed: Greed

    @property
    def ratio(self) -> float:
        """How many times longer the polite one waits where it shares the gateway."""
        return self.beside_p99_s / self.apart_p99_s


async def measure_fairness(seconds: float, clock: Clock) -> Fairness:
    """Measure for so long apart, and as long beside; raises FatalError where the polite workspace is refused."""
    requests = list(Requests(clock).many(_DISTINCT, REQUEST_TRACES))
    apart: list[float] = []
    beside: list[float] = []
    greed: list[Greed] = []
    async with _gateway(clock) as shared, _gateway(clock) as other:
        for gateway in (shared, other):
            await _politely(gateway, requests, 1.0, clock)
        for _ in range(ROUNDS):
            for greedy_at, waited in ((other, apart), (shared, beside)):
                async with greedily(
                    greedy_at.url, traces=REQUEST_TRACES, per_second=_GREEDY_PER_SECOND, seconds=seconds / ROUNDS
                ) as fared:
                    waited.extend(await _politely(shared, requests, seconds / ROUNDS, clock))
                    async with within(_END_SECONDS_MAX, "the greedy client to end"):
                        await fared
                if greedy_at is shared:
                    greed.append(fared.result())
    return Fairness(
        apart_p99_s=percentile(apart, 0.99),
        beside_p99_s=percentile(beside, 0.99),
        greed=Greed(traces_taken=sum(one.traces_taken for one in greed), refused=sum(one.refused for one in greed)),
    )


@asynccontextmanager
async def _gateway(clock: Clock) -> AsyncIterator[RunningGateway]:
    """Run a gateway with a broker of its own and the same quota for every workspace."""
    with tempfile.TemporaryDirectory(prefix="threadline-bench-") as folder:
        policy = Path(folder) / "policy.json"
        quota = {"events_per_second": SHARE, "burst_seconds": _BURST_SECONDS}
        policy.write_text(json.dumps({"quotas": {"*": quota}}))
        more = {"THREADLINE_GATEWAY_POLICY_FILE": str(policy)}
        async with embedded_broker(clock) as kafka, running_gateway(kafka, more=more) as gateway:
            yield gateway


async def _politely(gateway: RunningGateway, requests: list[Request], seconds: float, clock: Clock) -> list[float]:
    """Return how long each request of the polite workspace took."""
    waiting = islice(cycle(requests), max(1, int(_POLITE_PER_SECOND * seconds)))
    async with Clients(gateway.url, clock, connections=_CONNECTIONS, workspace="polite") as clients:
        answers = await clients.pace(waiting, per_second=_POLITE_PER_SECOND)
    if len(answers.seconds) != answers.statuses.total():
        raise FatalError(f"the polite workspace was refused: {dict(answers.statuses)}")
    return answers.seconds


@asynccontextmanager
async def greedily(
    url: str, *, traces: int, per_second: float, seconds: float, connections: int = _CONNECTIONS
) -> AsyncIterator[asyncio.Future[Greed]]:
    """Let a greedy workspace send `per_second` requests of `traces` for so long, from a process of its own.

    Yields, once it does, what will have become of it; raises FatalError where it does not start.
    """
    loop = asyncio.get_running_loop()
    sending: asyncio.Future[None] = loop.create_future()
    greed: asyncio.Future[Greed] = loop.create_future()

    def on_line(line: str) -> None:
        if line == SENDING:
            sending.set_result(None)
        elif line.startswith("{"):
            greed.set_result(msgspec.json.decode(line, type=Greed))

    arguments = (url, str(traces), str(per_second), str(seconds), str(connections))
    argv = [sys.executable, "-m", _MODULE, *arguments]
    async with await ChildProcess.start(argv, env={**os.environ}, on_line=on_line) as child:
        ended = asyncio.ensure_future(child.wait())
        waited_for: tuple[asyncio.Future[Any], ...] = (sending, ended)
        await asyncio.wait(waited_for, timeout=_START_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED)
        if not sending.done():
            raise FatalError(f"the greedy client does not start:\n{child.tail}")
        yield greed
