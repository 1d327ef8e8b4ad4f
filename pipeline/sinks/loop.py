"""The sinks stage: read every event topic, batch by table, write, and commit what is stored.

One task owns the state. It waits for whatever comes first: records, the end of a write, a batch that is due, a
rebalance, the wish to stop. The next records are fetched while batches are written. While storage is away the writers
try for ever; their lanes fill up, partitions of their topics are no longer read, all others are, and the group keeps
its members.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.consumer import EventConsumer, LogPartition, LogRecord
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.retry import Backoff
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import BrokerUnavailable
from pipeline.settings import Settings
from pipeline.sinks.batch import Batch, Limits
from pipeline.sinks.intake import Intake
from pipeline.sinks.lane import Lane
from pipeline.sinks.progress import Progress
from pipeline.sinks.routes import TABLES, Table
from pipeline.sinks.writer import Writer
from pipeline.topics import SINKS_GROUP, STORED

_LOG: Final = logger(__name__)
_FETCH_SECONDS: Final = 0.1
"""How long one fetch waits for records: after this the partitions to read are chosen anew."""
_STEP_SECONDS_MAX: Final = 1.0

Fetched = Mapping[LogPartition, Sequence[LogRecord]]
Check = Callable[[], str | None]


async def run(
    settings: Settings,
    clock: Clock,
    *,
    ready: Callable[[], None],
    stop: asyncio.Event,
    live_while: Callable[[str, Check], None] | None = None,
) -> None:
    """Store events until `stop`, then finish what is in hand within `settings.operation.drain_seconds`.

    `live_while` is given a check that finds the loop at fault when it has not moved for `stall_seconds_max`. Raises
    FatalError where the stage cannot go on, and BrokerUnavailable where Kafka does not answer at the start.
    """
    async with ClickHouse(settings.clickhouse) as client, EventProducer(settings.kafka, client_id=SINKS_GROUP) as producer:
        lanes = {table: Lane(Writer(table, client, producer, clock, settings.sinks)) for table in TABLES}
        sink = Sink(settings, clock, lanes, stop)
        if live_while is not None:
            live_while("loop", sink.check_moving)
        await sink.run(ready)


class Sink:
    """The state of the stage, owned by the task that calls `run`."""

    def __init__(
        self, settings: Settings, clock: Clock, lanes: Mapping[Table, Lane], stop: asyncio.Event
    ) -> None:
        self._settings: Final = settings
        self._clock: Final = clock
        self._lanes: Final = lanes
        self._stop: Final = stop
        self._wake: Final = asyncio.Event()
        self._revoking: asyncio.Future[None] | None = None
        self._held_until: dict[LogPartition, float] = {}
        self._progress: Final = Progress()
        self._moved_at = clock.monotonic()
        self._backoff: Final = Backoff(seconds_max=settings.sinks.retry_seconds_max)
        self._consumer: Final = EventConsumer(
            settings.kafka,
            STORED,
            group=SINKS_GROUP,
            instance_id=settings.sinks.instance_id,
            fetch_bytes_max=settings.sinks.fetch_bytes_max,
            on_assigned=self._wake.set,
            on_revoked=self._revoke,
            on_gap=self._count_gap,
        )
        self._intake: Final = Intake(lanes, _limits(settings), clock, self._consumer.log_id)

    async def run(self, ready: Callable[[], None]) -> None:
        """Join the group and work until `stop`."""
        await self._consumer.start()
        ready()
        fetch: asyncio.Task[Fetched] | None = None
        waits = [asyncio.create_task(self._stop.wait())]
        try:
            while not self._stop.is_set():
                if fetch is None and (wanted := self._wanted()):
                    fetch = asyncio.create_task(self._fetch(wanted))
                await self._wait(fetch, waits[0])
                self._moved_at = self._clock.monotonic()
                if fetch is not None and fetch.done():
                    done, fetch = fetch, None
                    if self._revoking is None:
                        self._take(done.result())
                await self._advance()
                if self._revoking is not None:
                    await self._hand_over(self._revoking)
        finally:
            waits += [fetch] if fetch is not None else []
            for task in waits:
                task.cancel()
            await asyncio.wait(waits)
            await self._leave()

    def check_moving(self) -> str | None:
        """Say what is wrong where the loop has stood still for too long."""
        still_seconds = self._clock.monotonic() - self._moved_at
        if still_seconds <= self._settings.sinks.stall_seconds_max:
            return None
        return f"the loop has not moved for {still_seconds:.0f} s"
