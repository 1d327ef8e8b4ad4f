"""Put records into the batches of their tables."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple
from uuid import UUID

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.consumer import Fetched, LogPartition, LogRecord
from pipeline.adapters.telemetry import metrics
from pipeline.errors import Undecodable
from pipeline.events.dead_letters import Origin
from pipeline.events.envelope import HEADER_REPLAYED_FROM, Headers
from pipeline.sinks.batch import Batch, Limits, Poison, Replay, Row, Skip
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

    def take(self, place: LogPartition, fetched: Fetched) -> Taken:
        """Put what was fetched into batches, and begin to write those that are full."""
        now = self._clock.monotonic()
        metrics.SINKS_RECORDS.labels(place.topic).inc(len(fetched.records))
        router = self._routers[place.topic]
        head = head_of(self._log_id(place.topic), place.partition)
        headers: Headers | None = None
        batch: Batch | None = None
        for record in fetched.records:
            try:
                if record.headers != headers:  # to compare them is cheaper than to look them up
                    (table, origin), batch = router.route(record.headers), None
                    headers = record.headers
                if batch is None or batch.is_full:
                    batch = self._batch(place.topic, table, now)
                if origin is None:
                    batch.add(_row_of(place, table, head, record), now)
                else:
                    batch.replay(_replay_of(place, record, origin), now)
            except Undecodable as error:
                self._batch(place.topic, router.events, now).refuse(_poison_of(place, record, str(error)), now)
            except NewerSchema as newer:
                return Taken(record.offset, newer)
        for skip in skips_of(place, fetched):
            # After the records: a batch may be written as soon as it is full, and these count for nothing in that.
            self._batch(place.topic, router.events, now).skip(skip)
        return Taken(fetched.next_offset, None)

    def _batch(self, topic: str, table: Table, now: float) -> Batch:
        """Return the batch that a record goes to; where it is full and the lane is free, the next one."""
        lane = self._lanes[table]
        if lane.filling is not None and lane.filling.is_full and lane.can_write:
            lane.write()
        if lane.filling is None:
            lane.filling = Batch(topic, self._log_id(topic), self._limits, now)
        return lane.filling


def skips_of(place: LogPartition, fetched: Fetched) -> Iterator[Skip]:
    """Yield the offsets before, between and after the records that hold none."""
    expected = fetched.offset
    if len(fetched.records) == fetched.next_offset - expected:
        return
    for offset in [*(record.offset for record in fetched.records), fetched.next_offset]:
        if offset > expected:
            yield Skip(place.partition, expected, offset)
        expected = offset + 1


def _replay_of(place: LogPartition, record: LogRecord, origin: Origin) -> Replay:
    headers = tuple(header for header in record.headers if header[0] != HEADER_REPLAYED_FROM)
    return Replay(origin, place.partition, record.offset, record.timestamp, record.key, record.value, headers)


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
