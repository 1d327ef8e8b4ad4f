"""What open threads cost: memory, recovery and an idle worker, and how promptly a great many of them close.

Threads open at a steady pace, so many a minute, and so do their deadlines fall later. The timeout is set once
everything else is measured, by a `setting` record as the API writes it, so that the first deadline falls soon
afterwards.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

import msgspec

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.reader import read_from_start
from pipeline.commands.bench.load import WORKSPACE, first_turns, publish_paced
from pipeline.commands.bench.measure import cpu_seconds, metric_of, percentile, resident_bytes
from pipeline.commands.bench.our_stage import RECORDS, Worker, log_ends, running_worker, wait_until_committed, within
from pipeline.events.controls import Setting
from pipeline.settings import KafkaSettings
from pipeline.topics import THREADS, TRACES

OPENED_PER_SECOND: Final = 1_000_000 / 60
LEAD_SECONDS: Final = 5.0
"""From the setting to the first deadline."""

_PING_SECONDS: Final = 0.01
_STEP_SECONDS_MAX: Final = 300.0
_OPEN_THREADS: Final = "threadline_stream_open_threads"
_CLOSED: Final = "threadline_stream_threads_closed_total"
_RECOVERY_SECONDS: Final = "threadline_stream_recovery_seconds"


class OpenThreads(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of `threads` open threads; delays are in seconds, of the event loop as seen by a client."""

    threads: int
    bytes_per_open_thread: float
    bytes_per_recovered_thread: float
    idle_cpu_fraction: float
    recovery_s: float
    setting_loop_delay_max_s: float
    closing_loop_delay_max_s: float
    close_delay_p99_s: float
    close_delay_max_s: float


class _Close(msgspec.Struct, frozen=True):
    """What is looked at of a thread event."""

    event: str
    closed_at_us: int = 0


class _Pings:
    """Asks a worker again and again for an answer that costs it nothing: the longest wait is its event loop's."""

    def __init__(self, worker: Worker, clock: Clock) -> None:
        self._worker: Final = worker
        self._clock: Final = clock
        self._longest_seconds = 0.0

    def take_longest_seconds(self) -> float:
        """Return the longest wait since the last call."""
        longest_seconds, self._longest_seconds = self._longest_seconds, 0.0
        return longest_seconds

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            asked_at = self._clock.monotonic()
            await self._worker.ping()
            self._longest_seconds = max(self._longest_seconds, self._clock.monotonic() - asked_at)
            await asyncio.sleep(_PING_SECONDS)


async def hold_open(
    kafka: KafkaSettings, threads: int, clock: Clock, *, idle_seconds: float, lead_seconds: float = LEAD_SECONDS
) -> OpenThreads:
    """Open `threads` threads, look at them, kill the worker, let another one recover and close them all.

    Raises FatalError where a step does not come to its end.
    """
    began_us = clock.now_us()
    async with running_worker(kafka, thread_timeout="1h") as worker:
        await worker.wait_for(_RECOVERY_SECONDS, 0.001, seconds_max=_STEP_SECONDS_MAX)
        before_bytes = resident_bytes(worker.pid)
        await publish_paced(kafka, first_turns(threads, clock), clock, per_second=OPENED_PER_SECOND)
        await worker.wait_for(_OPEN_THREADS, threads, seconds_max=_STEP_SECONDS_MAX)
        await wait_until_committed(kafka, await log_ends(kafka), seconds_max=_STEP_SECONDS_MAX)
        live_bytes = resident_bytes(worker.pid) - before_bytes
        idle_cpu_fraction = await _cpu_fraction(worker, clock, idle_seconds)
        await worker.kill()
    async with running_worker(kafka, thread_timeout="1h") as worker:
        await worker.wait_for(_OPEN_THREADS, threads, seconds_max=_STEP_SECONDS_MAX)
        recovery_s = metric_of(await worker.metrics(), _RECOVERY_SECONDS)
        recovered_bytes = resident_bytes(worker.pid) - before_bytes
        async with _pinging(worker, clock) as pings:
            await _set_timeout(kafka, worker, ms=round((clock.now_us() - began_us) / 1000 + lead_seconds * 1000))
            setting_delay = pings.take_longest_seconds()
            await worker.wait_for(_CLOSED, threads, seconds_max=_STEP_SECONDS_MAX, reason="inactive")
            closing_delay = pings.take_longest_seconds()
        delays = await _close_delays(kafka, threads)
    return OpenThreads(
        threads=len(delays),
        bytes_per_open_thread=live_bytes / threads,
        bytes_per_recovered_thread=recovered_bytes / threads,
        idle_cpu_fraction=idle_cpu_fraction,
        recovery_s=recovery_s,
        setting_loop_delay_max_s=setting_delay,
        closing_loop_delay_max_s=closing_delay,
        close_delay_p99_s=percentile(delays, 0.99),
        close_delay_max_s=max(delays),
    )


async def _cpu_fraction(worker: Worker, clock: Clock, seconds: float) -> float:
    """Return which share of a core a worker takes over `seconds` in which nobody writes."""
    began_at, began_cpu = clock.monotonic(), cpu_seconds(worker.pid)
    await asyncio.sleep(seconds)
    return (cpu_seconds(worker.pid) - began_cpu) / (clock.monotonic() - began_at)


async def _set_timeout(kafka: KafkaSettings, worker: Worker, *, ms: int) -> None:
    """Set the timeout of the bench's workspace, and return when it is in force in every partition."""
    records = [Setting(workspace=WORKSPACE, timeout_ms=ms).record(number) for number in range(kafka.partitions)]
    async with EventProducer(kafka, client_id="threadline-bench") as producer:
        await producer.publish(TRACES, records)
    await worker.wait_for(RECORDS, len(records), seconds_max=_STEP_SECONDS_MAX, kind="setting")


async def _close_delays(kafka: KafkaSettings, threads: int) -> list[float]:
    """Return, for each close, the seconds from its deadline to its append stamp in the topic `threads`.

    The embedded broker keeps the stamp that the worker gave it as it sent the record.
    """
    decoder = msgspec.json.Decoder(_Close)
    delays: list[float] = []
    async with within(_STEP_SECONDS_MAX, "the closes"), aclosing(read_from_start(kafka, THREADS)) as polls:
        async for records in polls:
            for record in records:
                thread = decoder.decode(record.value or b"")
                if thread.event == "closed":
                    delays.append(max(0.0, record.timestamp / 1000 - thread.closed_at_us / 1e6))
            if len(delays) >= threads:
                return delays
    raise AssertionError("a log is read for ever")


@asynccontextmanager
async def _pinging(worker: Worker, clock: Clock) -> AsyncIterator[_Pings]:
    pings = _Pings(worker, clock)
    running = asyncio.create_task(pings.run())
    try:
        yield pings
    finally:
        running.cancel()
        await asyncio.wait({running})
    if not running.cancelled():
        running.result()  # it ends by itself only where the worker does not answer
