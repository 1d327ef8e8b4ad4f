"""What the owner of a partition itself appends to it: the time, and the default timeout.

Ticks move log time where nobody writes, so that deadlines fire. One from a worker that has lost the partition without
knowing is harmless: it carries nothing but the broker's stamp.
"""

import asyncio

from pipeline.adapters.telemetry import metrics
from pipeline.events.controls import Setting, tick_record
from pipeline.stream.outputs import Publisher
from pipeline.stream.owned import Owned
from pipeline.topics import TRACES


async def run_ticks(owned: Owned, publisher: Publisher, interval_seconds: float) -> None:
    """Append a tick to every partition with open threads, again and again; raises BrokerUnavailable."""
    while True:
        ticks = [tick_record(partition.number) for partition in owned if partition.open_threads]
        # The pace is that of the clock: how long the broker takes does not come on top of the interval.
        await asyncio.gather(publisher.publish(TRACES, ticks), asyncio.sleep(interval_seconds))
        metrics.STREAM_TICKS.inc(len(ticks))


async def write_default_timeout(owned: Owned, publisher: Publisher, timeout_ms: int) -> None:
    """Append the default timeout where another one is in effect; raises BrokerUnavailable.

    A partition whose log holds such a setting, not yet read, gets it twice; the second changes nothing.
    """
    records = [
        Setting(timeout_ms=timeout_ms, score_regime=partition.timeouts.default_regime).record(partition.number)
        for partition in owned
        if partition.timeouts.default_ms != timeout_ms
    ]
    await publisher.publish(TRACES, records)
