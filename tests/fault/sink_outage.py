"""Storage is away for long while events keep coming: what has piled up is stored while they go on."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.kafka.offsets import read_bounds
from pipeline.commands.bench.load import Load, mixed_records, publish_paced
from pipeline.sinks.reconciliation import Balance, balance_all
from pipeline.topics import SINKS_GROUP, TRACES
from tests.apache_kafka.broker import ApacheKafka
from tests.support.installation import Installation, running

EVENTS_PER_SECOND: Final = 2000
EVENT_BYTES: Final = 1200
THREADS: Final = 20_000
RECORDS_AT_ONCE: Final = 500
LOOK_SECONDS: Final = 1.0
KEPT_UP_RECORDS: Final = 2 * EVENTS_PER_SECOND
"""So far behind is a sink that keeps up before the outage: by what comes while one batch is written and one fills."""
CATCH_UP_SECONDS_MAX: Final = 1800.0


class Seen(NamedTuple):
    """Of each partition of the log, how far it is committed and where it ends."""

    committed: Sequence[int]
    ends: Sequence[int]

    @property
    def behind(self) -> int:
        """How many records are not committed."""
        return sum(self.ends) - sum(self.committed)


@dataclass(frozen=True, slots=True)
class Outage:
    """How far behind the sink was when storage came back, how long it took to store all of that, and the balance.

    `arrived` is how many records came meanwhile, `stored` how many were committed, of the backlog and of what came.
    """

    backlog: int
    stored: int
    arrived: int
    seconds: float
    balances: Sequence[Balance]

    @property
    def times_arrival(self) -> float:
        """How many times as fast as records came they were stored."""
        return self.stored / self.arrived


async def run(folder: Path, seed: int, outage_seconds: float) -> Outage:
    """Take storage away for so long under load, and let the sink catch up under the same load."""
    async with running(Installation(folder, ApacheKafka(folder / "kafka"))) as installation:
        records = mixed_records(Load(10**9, THREADS, seed=seed, event_bytes=EVENT_BYTES), SystemClock())
        await installation.start_sink()
        load = asyncio.create_task(
            publish_paced(
                installation.kafka,
                records,
                SystemClock(),
                per_second=EVENTS_PER_SECOND,
                records_at_once=RECORDS_AT_ONCE,
            )
        )
        try:
            await _until(installation, lambda seen: sum(seen.ends) > 0 and seen.behind <= KEPT_UP_RECORDS)
            await installation.clickhouse.kill()
            await asyncio.sleep(outage_seconds)
            await installation.clickhouse.start()
            began_at, before = time.monotonic(), await _look(installation)
            after = await _until(
                installation, lambda seen: all(at >= end for at, end in zip(seen.committed, before.ends, strict=True))
            )
            seconds = time.monotonic() - began_at
            assert not load.done(), "the load ended by itself"
        finally:
            load.cancel()
            with suppress(asyncio.CancelledError):
                await load
        await installation.stored()
        balances = await balance_all(installation.kafka, installation.client)
    stored, arrived = (sum(then) - sum(first) for first, then in zip(before, after, strict=True))
    return Outage(before.behind, stored, arrived, seconds, balances)


async def _look(installation: Installation) -> Seen:
    bounds = (await read_bounds(installation.kafka, [TRACES], SINKS_GROUP))[TRACES.name]
    return Seen([one.committed for one in bounds], [one.end for one in bounds])


async def _until(installation: Installation, is_so: Callable[[Seen], bool]) -> Seen:
    """Look, not so often that it is a load of its own."""
    async with asyncio.timeout(CATCH_UP_SECONDS_MAX):
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if is_so(seen := await _look(installation)):
                return seen
