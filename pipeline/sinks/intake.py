"""Put records into the batches of their tables."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple
from uuid import UUID

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.consumer import Fetched, LogPartition, LogRecord
from pipeline.adapters.telemetry import metrics
from pipeline.errors import Undecodable
from pipeline.events.dead_letters import Origin
from pipeline.events.envelope import HEADER_REPLAYED_FROM
from pipeline.sinks.batch import Batch, Limits, Poison, Replay, Run, Skip
from pipeline.sinks.lane import Lane
from pipeline.sinks.routes import CONTROLS, NewerSchema, Router, Table, control_value
from pipeline.sinks.splice import are_lines, check
from pipeline.topics import STORED

_HEADERS: Final = attrgetter("headers")


class _Control(NamedTuple):
    """A control whose value is the row that keeps it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


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
        for headers, alike in groupby(fetched.records, _HEADERS):  # nearly all are alike: they are routed together
            records = list(alike)
            try:
                table, origin = router.route(tuple(headers))
            except Undecodable as error:
                self._refuse(place, records, str(error), now)
            except NewerSchema as newer:
                return Taken(records[0].offset, newer)
            else:
                if origin is not None:
                    for record in records:
                        self._batch(place.topic, table, now).replay(_replay_of(place, record, origin), now)
                elif table is CONTROLS:
                    metrics.SINKS_CONTROLS.inc(len(records))
                    self._add(place, table, [_control_of(place.topic, record) for record in records], now)
                else:
                    self._take_events(place, table, records, now)
        for skip in skips_of(place, fetched):
            # After the records: a batch may be written as soon as it is full, and these count for nothing in that.
            self._batch(place.topic, router.events, now).skip(skip)
        return Taken(fetched.next_offset, None)

    def _take_events(self, place: LogPartition, table: Table, records: Sequence[LogRecord], now: float) -> None:
        if are_lines(records):
            self._add(place, table, records, now)
            return
        for reason, alike in groupby(records, _fault_of):
            if reason is None:
                self._add(place, table, list(alike), now)
            else:
                self._refuse(place, list(alike), reason, now)

    def _add(self, place: LogPartition, table: Table, records: Sequence[LogRecord], now: float) -> None:
        """Put rows into the batch, and what it has no room for into the next one."""
        while records:
            batch = self._batch(place.topic, table, now)
            sizes = [len(record.value or b"") for record in records]
            room = batch.room(sizes)
            batch.add(Run(place.partition, records[:room], sum(sizes[:room])), now)
            records = records[room:]

    def _refuse(self, place: LogPartition, records: Sequence[LogRecord], reason: str, now: float) -> None:
        events = self._routers[place.topic].events
        for record in records:
            self._batch(place.topic, events, now).refuse(_poison_of(place, record, reason), now)

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


def _control_of(topic: str, record: LogRecord) -> LogRecord:
    value = control_value(topic, tuple(record.headers), record.key, record.value)
    return _Control(record.offset, record.timestamp, record.key, value, record.headers)


def _fault_of(record: LogRecord) -> str | None:
    try:
        check(record.value)
    except Undecodable as error:
        return str(error)
    return None


def _poison_of(place: LogPartition, record: LogRecord, reason: str) -> Poison:
    return Poison(
        partition=place.partition,
        offset=record.offset,
        appended_at_ms=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        code=0,
        reason=reason,
    )
