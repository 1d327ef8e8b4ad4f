"""What one workspace feels of another that sends ten times its share, with quotas on.

Both have the same quota. The polite one sends half of it, steadily, first alone and then beside one that sends ten
times its quota and does not care for what it is answered.
"""

import asyncio
import json
import tempfile
from collections.abc import Coroutine
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import msgspec

from pipeline.adapters.clock import Clock
from pipeline.commands.bench.http_load import Answers, Clients
from pipeline.commands.bench.measure import percentile
from pipeline.commands.bench.our_gateway import running_gateway
from pipeline.commands.bench.requests import Request, Requests
from pipeline.commands.bench.stream import embedded_broker
from pipeline.errors import FatalError

SHARE: Final = 2000
"""Traces a second that each workspace may send."""
GREEDY_TIMES: Final = 10
POLITE_TRACES: Final = 50
"""In a request of the polite one, which sends 20 of them a second."""
GREEDY_TRACES: Final = 500

_POLITE_PER_SECOND: Final = SHARE / 2 / POLITE_TRACES
_GREEDY_PER_SECOND: Final = SHARE * GREEDY_TIMES / GREEDY_TRACES
_BURST_SECONDS: Final = 1.0
_DISTINCT: Final = 20
_CONNECTIONS: Final = 16
_OVERLOADED: Final = 429


class Fairness(msgspec.Struct, frozen=True, kw_only=True):
    """What the polite workspace waited for, alone and beside the greedy one, and what became of that."""

    alone_p99_s: float
    beside_p99_s: float
    greedy_taken: int
    greedy_refused: int

    @property
    def ratio(self) -> float:
        """How many times longer the polite one waits."""
        return self.beside_p99_s / self.alone_p99_s


async def measure_fairness(seconds: float, clock: Clock) -> Fairness:
    """Measure each for so long; raises FatalError where the polite workspace is refused anything."""
    polite = list(Requests(clock).many(_DISTINCT, POLITE_TRACES))
    greedy = list(Requests(clock, seed=2).many(_DISTINCT, GREEDY_TRACES))
    quota = {"events_per_second": SHARE, "burst_seconds": _BURST_SECONDS}
    with tempfile.TemporaryDirectory(prefix="threadline-bench-") as folder:
        policy = Path(folder) / "policy.json"
        policy.write_text(json.dumps({"quotas": {"*": quota}}))
        more = {"THREADLINE_GATEWAY_POLICY_FILE": str(policy)}
        async with embedded_broker(clock) as kafka, running_gateway(kafka, more=more) as gateway:

            async def send(requests: list[Request], workspace: str, per_second: float) -> Answers:
                waiting = islice(cycle(requests), int(per_second * seconds))
                async with Clients(gateway.url, clock, connections=_CONNECTIONS, workspace=workspace) as clients:
                    return await clients.pace(waiting, per_second=per_second)

            def send_politely() -> Coroutine[Any, Any, Answers]:
                return send(polite, "polite", _POLITE_PER_SECOND)

            await send_politely()
            alone = await send_politely()
            beside, other = await asyncio.gather(send_politely(), send(greedy, "greedy", _GREEDY_PER_SECOND))
    if alone.statuses[_OVERLOADED] or beside.statuses[_OVERLOADED]:
        raise FatalError(f"the polite workspace was refused: {alone.statuses}, {beside.statuses}")
    return Fairness(
        alone_p99_s=percentile(alone.seconds, 0.99),
        beside_p99_s=percentile(beside.seconds, 0.99),
        greedy_taken=other.traces_taken,
        greedy_refused=other.statuses[_OVERLOADED],
    )
