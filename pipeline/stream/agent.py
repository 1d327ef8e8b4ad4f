"""The body of the Faust agent: takes batches as the consumer brings them and applies them."""

import asyncio
from typing import Final

from pipeline.stream import lifecycle
from pipeline.stream.bulk import Batch
from pipeline.stream.commit import Checkpoints
from pipeline.stream.lifecycle import Pause
from pipeline.stream.partition import Partition
from pipeline.stream.tallies import report

OUTPUTS_WAITING_MAX: Final = 20_000
"""So many outputs of a partition wait for the next flush; then its records wait for the outputs."""


async def apply_batches(batches: asyncio.Queue[Batch], checkpoints: Checkpoints) -> None:
    """Apply batches for ever; others have a turn at each pause of the lifecycle."""
    while True:
        batch = await batches.get()
        partition = batch.partition
        if not _is_owned(partition):
            continue
        for pause in lifecycle.apply(partition, batch.records):
            if pause is Pause.ANSWERED:
                checkpoints.flush_soon()
            elif partition.outputs_waiting > OUTPUTS_WAITING_MAX:
                await checkpoints.flush(partition)
            await asyncio.sleep(0)
            if not _is_owned(partition):
                break
        report(partition)


def _is_owned(partition: Partition) -> bool:
    """Tell whether a partition may still be worked on; every `await` may have changed that."""
    return not partition.is_lost
