"""What the sink's own process does for a row, one step after the other, each with its CPU time.

Run as `python -m pipeline.commands.bench.sink_steps <bootstrap> <partitions> <clickhouse port>`; prints one line of
JSON. In the sink the next records are read while others are sent, so only apart can one see what each step takes. They
are the sink's own, with its event loop and its memory; what is left out is what it does for a batch, not for a row:
folding, committing, watching.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import msgspec
import uvloop

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock, SystemClock
from pipeline.adapters.kafka.consumer import EventConsumer, Fetched, LogPartition
from pipeline.adapters.memory import collect_seldom
from pipeline.commands.bench.measure import own_cpu_seconds
from pipeline.commands.sink import ALLOCATIONS_BETWEEN_LOOKS
from pipeline.settings import ClickHouseSettings, KafkaSettings, SinksSettings
from pipeline.sinks.batch import Batch, Limits, Lines
from pipeline.sinks.intake import Intake
from pipeline.sinks.lane import Lane
from pipeline.sinks.routes import TABLES, TRACE_EVENTS, Table
from pipeline.topics import TRACES

ROWS_MAX: Final = 100_000
_GROUP: Final = "threadline-bench-steps"
_FETCH_SECONDS: Final = 0.1


class Steps(msgspec.Struct, frozen=True):
    """CPU seconds by step, and for how many rows.

    `read` is what comes from Kafka, parsed and with its checksums checked; `sort`, each record checked, routed and put
    into a batch; `splice`, its line made; `send`, the lines on their way to ClickHouse.
    """

    rows: int
    cpu_seconds: dict[str, float]

    def cpu_us(self, step: str) -> float:
        """Microseconds of CPU a row."""
        return self.cpu_seconds[step] * 1e6 / self.rows


Read = Sequence[Mapping[LogPartition, Fetched]]


async def _read(consumer: EventConsumer, settings: SinksSettings, rows_max: int) -> Read:
    """Return the log from its start, up to its end or `rows_max` records."""
    polls: list[Mapping[LogPartition, Fetched]] = []
    rows, has_begun = 0, False
    while rows < rows_max:
        fetched = await consumer.fetch(
            sorted(consumer.assigned), records_max=settings.fetch_records_max, timeout_seconds=_FETCH_SECONDS
        )
        if has_begun and not fetched:
            break
        has_begun = has_begun or bool(fetched)
        polls.append(fetched)
        rows += sum(len(found.records) for found in fetched.values())
    return polls


async def _nothing(_: object) -> None:
    """Neither store nor fold: batches are only filled."""


def _sort(polls: Read, consumer: EventConsumer, settings: SinksSettings, clock: Clock) -> list[Batch]:
    lanes: dict[Table, Lane] = {
        table: Lane(table.name, _nothing, _nothing, lambda: None, fold_rows_max=1) for table in TABLES
    }
    limits = Limits(settings.batch_rows_max, settings.batch_bytes_max, 1.0, 1.0)
    intake, batches = Intake(lanes, limits, clock, consumer.log_id), list[Batch]()
    events = lanes[TRACE_EVENTS]
    for fetched in polls:
        for place, found in fetched.items():
            intake.take(place, found)
            if events.filling is not None and events.filling.is_full:
                batches.append(events.filling)
                events.filling = None
    return batches if events.filling is None else [*batches, events.filling]


async def _send(client: ClickHouse, batches: Sequence[Batch]) -> None:
    for batch in batches:
        await client.insert_pieces(TRACE_EVENTS.name, Lines(batch), token=None)


def _splice(batches: Sequence[Batch]) -> int:
    """Make all lines, and return how many rows they are."""
    for batch in batches:
        deque(Lines(batch), maxlen=0)
    return sum(batch.covered().rows for batch in batches)


async def measure(kafka: KafkaSettings, storage: ClickHouseSettings, clock: Clock, *, rows_max: int) -> Steps:
    """Do one step after the other for the log of threads."""
    settings = SinksSettings()
    consumer = EventConsumer(
        kafka, [TRACES], group=_GROUP, instance_id=None, fetch_bytes_max=settings.fetch_bytes_max,
        on_assigned=lambda: None, on_revoked=lambda: _nothing(None), on_gap=lambda _, __: None,
    )  # fmt: skip
    marks = list[float]()
    async with ClickHouse(storage) as client:
        await client.start()
        await consumer.start()
        marks.append(own_cpu_seconds())
        try:
            polls = await _read(consumer, settings, rows_max)
        finally:
            await consumer.stop()
        marks.append(own_cpu_seconds())
        batches = _sort(polls, consumer, settings, clock)
        marks.append(own_cpu_seconds())
        rows = _splice(batches)
        marks.append(own_cpu_seconds())
        await _send(client, batches)
        marks.append(own_cpu_seconds())
    read, sort, splice, splice_and_send = (after - before for before, after in pairwise(marks))
    return Steps(rows, {"read": read, "sort": sort, "splice": splice, "send": max(0.0, splice_and_send - splice)})


def main(bootstrap: str, partitions: str, port: str) -> None:
    """Measure, and print what it took."""
    collect_seldom(ALLOCATIONS_BETWEEN_LOOKS)
    kafka = KafkaSettings(bootstrap=bootstrap, partitions=int(partitions))
    storage = ClickHouseSettings(port=int(port), request_timeout_seconds=600.0)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(measure(kafka, storage, SystemClock(), rows_max=ROWS_MAX))
    print(msgspec.json.encode(found).decode(), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
