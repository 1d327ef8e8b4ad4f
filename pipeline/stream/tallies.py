"""What the lifecycle counted, told to the metrics."""

from collections.abc import Iterable

from pipeline.adapters.telemetry import metrics
from pipeline.stream.partition import Partition, Tally


def report(partition: Partition) -> None:
    """Add what a partition counted to the metrics, and count anew."""
    tally, partition.tally = partition.tally, Tally()
    metrics.STREAM_RECORDS.labels("trace").inc(tally.traces)
    for kind, count in tally.records.items():
        metrics.STREAM_RECORDS.labels(kind).inc(count)
    for kind, count in tally.undecodable.items():
        metrics.STREAM_UNDECODABLE.labels(kind).inc(count)
    for reason, count in tally.closed.items():
        metrics.STREAM_CLOSED.labels(reason).inc(count)
    for kind, count in tally.refused.items():
        metrics.STREAM_REFUSED.labels(kind).inc(count)
    metrics.STREAM_OFFSET_GAPS.inc(tally.missing)
    metrics.STREAM_REPEATED.inc(tally.repeated)
    metrics.STREAM_OPENED.inc(tally.opened)
    metrics.STREAM_REPLAYED.inc(tally.replayed)


def observe(partitions: Iterable[Partition]) -> None:
    """Show how the partitions of this worker stand."""
    open_threads = 0
    metrics.STREAM_LOG_TIME_SECONDS.clear()
    for partition in partitions:
        open_threads += partition.open_threads
        metrics.STREAM_LOG_TIME_SECONDS.labels(str(partition.number)).set(partition.log_time_us / 1e6)
    metrics.STREAM_OPEN_THREADS.set(open_threads)
