"""The body of the Faust agent: takes batches as the consumer brings them and applies them."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from pipeline.adapters.telemetry import logs
from pipeline.stream import lifecycle
from pipeline.stream.batches import Batch, BatchQueue
from pipeline.stream.commit import Checkpoints
from pipeline.stream.lifecycle import LogRecord, Pause
from pipeline.stream.partition import Partition
from pipeline.stream.tallies import report

OUTPUTS_WAITING_MAX: Final = 20_000
"""So many outputs of a partition wait for the next flush; then its records wait for the outputs."""
AT_ONCE_MAX: Final = 4
"""So many batches are in hand, each of another partition: one that waits for its outputs does not hold up others."""

_Turns = defaultdict[int, asyncio.Lock]
_log = logs.logger(__name__)


async def apply_batches(batches: BatchQueue, checkpoints: Checkpoints) -> None:
    """Apply batches for ever, those of one partition in order."""
    turns: _Turns = defaultdict(asyncio.Lock)
    takers = [asyncio.create_task(_take_batches(batches, checkpoints, turns)) for _ in range(AT_ONCE_MAX)]
    try:
        await asyncio.gather(*takers)
    finally:
        for taker in takers:
            taker.cancel()
        await asyncio.wait(takers)


async def _take_batches(batches: BatchQueue, checkpoints: Checkpoints, turns: _Turns) -> None:
    while True:
        # Nothing is awaited between the queue and the line for the lock, so batches of a partition stay in order.
        async with batches.next() as batch, turns[batch.partition.number]:
            await _apply(batch, checkpoints)


async def _apply(batch: Batch, checkpoints: Checkpoints) -> None:
    """Apply a batch; others have a turn at each pause of the lifecycle."""
    partition = batch.partition
    if not _is_owned(partition):
        return
    _compare_places(partition, batch.records)
    for pause in lifecycle.apply(partition, batch.records):
        if pause is Pause.ANSWERED:
            checkpoints.flush_soon()
        elif partition.outputs_waiting > OUTPUTS_WAITING_MAX:
            await checkpoints.flush(partition)
        await asyncio.sleep(0)
        if not _is_owned(partition):
            break
    if partition.tally.closed:
        checkpoints.flush_soon()  # closes are late already, by the half interval of the ticks
    report(partition)


def _compare_places(partition: Partition, records: Sequence[LogRecord]) -> None:
    """Count what lies between the last batch and this one, or stands in both.

    Offsets follow one another, but for the markers of those who write the log in transactions, and for what retention
    took away. A record that comes again changes nothing: the lifecycle passes over it.
    """
    distance = records[0].offset - partition.next_offset
    if distance > 0:
        partition.tally.missing += distance
        _log.warning("offsets missing", partition=partition.number, offset=partition.next_offset, missing=distance)
    elif distance < 0:
        partition.tally.repeated += min(-distance, len(records))


def _is_owned(partition: Partition) -> bool:
    """Tell whether a partition may still be worked on; every `await` may have changed that."""
    return not partition.is_lost
