"""Put records into the batches of their tables."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.consumer import LogPartition, LogRecord
from pipeline.adapters.telemetry import metrics
from pipeline.errors import Undecodable
from pipeline.sinks.batch import Batch, Limits, Poison, Row
from pipeline.sinks.lane import Lane
from pipeline.sinks.routes import CONTROLS, NewerSchema, Router, Table, control_value
from pipeline.sinks.splice import head_of, splice
from pipeline.topics import STORED


class Taken(NamedTuple):
    """How far records were taken; `newer` says why no further, where one is of a version to come."""

    next_offset: int
    newer: NewerSchema | None


class Intake:
    """Routes the records of every topic; one lane a table."""

    def __init__(
        self, lanes: Mapping[Table, Lane], limits: Limits, clock: Clock, log_id: Callable[[str], UUID]
    ) -> None:
        self._lanes: Final = lanes
        self._limits: Final = limits
        self._clock: Final = clock
        self._log_id: Final = log_id
        self._routers: Final = {topic.name: Router(topic.name) for topic in STORED}

    def lanes_of(self, topic: str) -> Iterator[Lane]:
        """Yield the lanes that records of `topic` may go to."""
        events = self._routers[topic].events
        yield self._lanes[events]
        if events.has_controls:
            yield self._lanes[CONTROLS]

    def take(self, place: LogPartition, records: Sequence[LogRecord]) -> Taken:
        """Put `records`, at least one and in order, into batches, and begin to write those that are full."""
        now = self._clock.monotonic()
        metrics.SINKS_RECORDS.labels(place.topic).inc(len(records))
        router = self._routers[place.topic]
        head = head_of(self._log_id(place.topic), place.partition)
        for record in records:
            try:
                table = router.table_of(record.headers)
                batch = self._batch(place.topic, table, now)
                batch.add(_row_of(place, table, head, record), now)
            except Undecodable as error:
                self._batch(place.topic, router.events, now).refuse(_poison_of(place, record, str(error)), now)
            except NewerSchema as newer:
                return Taken(record.offset, newer)
        return Taken(records[-1].offset + 1, None)

    def _batch(self, topic: str, table: Table, now: float) -> Batch:
        """Return the batch that a record goes to; where it is full and the lane is free, the next one."""
        lane = self._lanes[table]
        if lane.filling is not None and lane.filling.is_full and lane.can_write:
            lane.write()
        if lane.filling is None:
            lane.filling = Batch(topic, self._log_id(topic), self._limits, now)
        return lane.filling


def _row_of(place: LogPartition, table: Table, head: bytes, record: LogRecord) -> Row:
    value = record.value
    if table is CONTROLS:
        metrics.SINKS_CONTROLS.inc()
        value = control_value(place.topic, record.headers, record.key, value)
    return Row(
        splice(head, record.offset, record.timestamp, value),
        place.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.headers,
    )


def _poison_of(place: LogPartition, record: LogRecord, reason: str) -> Poison:
    return Poison(
        partition=place.partition,
        offset=record.offset,
        appended_at_ms=record.timestamp,
        key=record.key,
        value=record.value,
        headers=record.headers,
        code=0,
        reason=reason,
    )
