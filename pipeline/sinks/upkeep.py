"""Once in a while: drop what is past its retention, and erase again what has come back of what was erased."""

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.admin import read_log_ids
from pipeline.adapters.kafka.offsets import read_bounds
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.settings import Settings
from pipeline.sinks.erasure import sweep
from pipeline.sinks.retention import Reach, drop_expired
from pipeline.topics import SINKS_GROUP, STORED

_LOG = logger(__name__)
_MUTATION_SECONDS_MAX = 3600.0
"""Parts with rows that go are written anew, which takes long where they are large."""


async def keep_up(settings: Settings, clock: Clock) -> None:
    """Do it once; what fails is done by the next run. Raises BrokerUnavailable and StorageUnavailable."""
    patient = settings.clickhouse.model_copy(update={"request_timeout_seconds": _MUTATION_SECONDS_MAX})
    now_us, interval_seconds = clock.now_us(), settings.sinks.upkeep_interval_seconds
    log_ids = await read_log_ids(settings.kafka)
    bounds = await read_bounds(settings.kafka, STORED, SINKS_GROUP)
    reaches = {
        topic.name: Reach(log_ids[topic.name], [bound.begin for bound in bounds[topic.name]]) for topic in STORED
    }
    async with ClickHouse(patient) as client:
        dropped = await drop_expired(client, settings.sinks.retention_days, reaches, now_us=now_us)
        # Twice the interval: a run may be late, or have failed.
        returned = await sweep(client, since_ms=int(now_us / 1000 - 2000 * interval_seconds))
    metrics.SINKS_DROPPED_PARTITIONS.inc(dropped.partitions)
    metrics.SINKS_DELETED_ROWS.labels("retention").inc(dropped.rows)
    metrics.SINKS_DELETED_ROWS.labels("erasure").inc(returned)
    if dropped.partitions or dropped.rows or returned:
        _LOG.info("deleted on purpose", partitions=dropped.partitions, expired=dropped.rows, erased_again=returned)
