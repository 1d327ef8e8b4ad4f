"""Run the stream stage inside an event loop that other tasks share, and end it in order."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final

from aiokafka.errors import KafkaError

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.admin import read_log_ids
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.telemetry import logs
from pipeline.errors import BrokerUnavailable, Stalled
from pipeline.settings import Settings
from pipeline.stream.app import CLIENT_ID, build
from pipeline.stream.bulk import BulkApp, Intake
from pipeline.stream.fence import Fence, NoFence, TransactionalFence
from pipeline.stream.owned import Owned
from pipeline.topics import TRACES

SESSIONS_LOST_MAX: Final = 2
"""For so many session timeouts a partition may be ours and stand still: joining the group anew takes about one."""

_log = logs.logger(__name__)


async def run(settings: Settings, clock: Clock, *, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Run until `stop`, then flush, commit and leave the group; call `ready` when partitions are owned and recovered.

    Raises whatever crashed the app, Stalled where nothing moves, SchemaMismatch where topics are missing, and
    BrokerUnavailable where there is no broker, it goes away while Faust needs it, or it takes no records any more.
    """
    log_ids = await read_log_ids(settings.kafka)
    async with (
        EventProducer(settings.kafka, client_id=CLIENT_ID) as publisher,
        EventProducer(settings.kafka, client_id=f"{CLIENT_ID}-ticks") as ticker,
    ):
        fence: Fence = NoFence(publisher)
        if settings.stream.transactions:
            fence = TransactionalFence(settings.kafka, client_id=CLIENT_ID, log_id=log_ids[TRACES.name])
        app = build(settings, clock, log_id=log_ids[TRACES.name], publisher=publisher, ticker=ticker, fence=fence)
        with _broker_needed():
            try:
                await _first_to_end(
                    _serve(app, ready, stop),
                    _watch(app.intake, settings.stream.stall_seconds_max),
                    _watch_stuck(app.intake.owned, SESSIONS_LOST_MAX * settings.kafka.session_timeout_ms / 1000),
                    _asked(stop),
                )
            finally:
                await _stop(app, settings.operation.drain_seconds)
                await fence.give_up()
            if app.crash_reason is not None:
                raise app.crash_reason


@contextmanager
def _broker_needed() -> Iterator[None]:
    """Say BrokerUnavailable where Faust says an error of its client that another try may not meet."""
    try:
        yield
    except KafkaError as error:
        if not error.retriable:
            raise
        raise BrokerUnavailable(f"the broker went away: {error!r}") from error


async def _serve(app: BulkApp, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Start the app, which takes until its tables are recovered; return when it crashes or is asked to stop."""
    await app.start()
    if app.crash_reason is None:
        ready()
        await app.wait(stop.wait())


async def _watch(intake: Intake, stall_seconds_max: float) -> None:
    """Raise Stalled if the consumer loop does not turn; it turns without records too, and while recovering."""
    while True:
        before = intake.turns
        await asyncio.sleep(stall_seconds_max)
        if intake.turns == before:
            raise Stalled(f"the consumer loop has not moved for {stall_seconds_max:g} s")


async def _watch_stuck(owned: Owned, seconds_max: float) -> None:
    """Raise Stalled if a partition is ours but not worked on, and neither its recovery moves nor an assignment follows.

    A worker that was paused may have taken a partition from its rightful owner as the last thing it did.
    """
    while True:
        before = owned.stuck
        await asyncio.sleep(seconds_max)
        if stuck := before & owned.stuck:
            numbers = sorted(partition.number for partition, _ in stuck)
            raise Stalled(f"partitions {numbers} are assigned to this worker and not worked on for {seconds_max:g} s")


async def _asked(stop: asyncio.Event) -> None:
    await stop.wait()


async def _first_to_end(*bodies: Coroutine[Any, Any, None]) -> None:
    """Run coroutines until one ends; raise what it raised, cancel the others."""
    tasks = [asyncio.create_task(body) for body in bodies]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _stop(app: BulkApp, drain_seconds: float) -> None:
    """Let Faust commit a last time and leave the group; a broker that is gone must not keep the process."""
    try:
        async with asyncio.timeout(drain_seconds):
            await app.stop()
    except TimeoutError:
        _log.warning("stopped before everything was committed; it will be read again", drain_seconds=drain_seconds)
