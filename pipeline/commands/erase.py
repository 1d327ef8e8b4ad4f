"""`threadline erase`: what was said in threads is gone from every table, and from Kafka when its retention is over.

The threads are deleted and their traces and spans get tombstones, in the log, so that whoever reads it again, from
whichever offset, ends without them. Once the sinks have stored those, the rows go (`sinks.erasure`); their places are
noted, so that reconciliation does not take them for lost. What comes late, or is replayed, is not read, and a sink
erases it again, as it finishes what was cut off.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID, uuid4

import click
import msgspec

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock, SystemClock
from pipeline.adapters.kafka.offsets import Bounds, read_bounds
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.commands.erase_choice import Choice, chosen
from pipeline.errors import Stalled
from pipeline.events.controls import Command
from pipeline.events.envelope import Record
from pipeline.events.identity import ThreadRef
from pipeline.events.spans import SpanEvent
from pipeline.events.traces import TraceEvent
from pipeline.settings import KafkaSettings, Settings
from pipeline.sinks import erasure
from pipeline.topics import SINKS_GROUP, SPANS, STORED, TRACES, Topic

_CLIENT_ID: Final = "threadline-erase"
_PUBLISH_RECORDS_MAX: Final = 1000
_LOOK_SECONDS: Final = 0.25
_MUTATION_SECONDS_MAX: Final = 3600.0
"""Parts with rows that go are written anew, which takes long where they are large."""


class Report(msgspec.Struct, kw_only=True):
    """What is erased, or would be: how many rows of which table, and until when Kafka may still have the bytes."""

    threads: int
    traces: int
    spans: int
    rows: dict[str, int]
    erased: bool = False
    in_kafka_until: str | None = None


Confirm = Callable[[Report], bool]


class Run(NamedTuple):
    """What an erasure works with; `wait_seconds` is how long the sinks may take to store its tombstones."""

    settings: Settings
    client: ClickHouse
    clock: Clock
    wait_seconds: float


def run(settings: Settings, choice: Choice, *, dry_run: bool, yes: bool, as_json: bool, wait_seconds: float) -> int:
    """Erase, unless `dry_run`, and print the report; return 1 where nobody confirmed."""

    def confirm(report: Report) -> bool:
        if dry_run:
            return False
        if yes:
            return True
        print(_text(report), file=sys.stderr)  # noqa: T201
        return click.confirm("Erase this? It cannot be brought back.", err=True)

    report = asyncio.run(_connected(settings, choice, confirm, wait_seconds))
    print(json.dumps(msgspec.to_builtins(report)) if as_json else _text(report))  # noqa: T201
    return 0 if report.erased or dry_run or not any(report.rows.values()) else 1


async def erase(run: Run, threads: Sequence[ThreadRef], traces: Sequence[tuple[str, UUID]], confirm: Confirm) -> Report:
    """Erase threads, and traces by workspace and id, if `confirm` says so of the report; and return it.

    Raises Stalled where the sinks do not come so far in time, BrokerUnavailable and StorageUnavailable. Then no row may
    be erased yet: a sink does what is left with its next upkeep, or who runs this again.
    """
    plan = uuid4().hex
    await erasure.draft(run.client, plan, threads, traces, at_us=run.clock.now_us())
    try:
        gone, spans = await erasure.traces_of(run.client, plan), await erasure.spans_of(run.client, plan)
        rows = await erasure.count(run.client, plan)
        report = Report(threads=len(threads), traces=len(gone), spans=len(spans), rows=rows)
        if not any(rows.values()) or not confirm(report):
            return report
        await erasure.decree(run.client, plan)
        await _say(run, threads, gone, spans)
        await _until_stored(run.settings.kafka, run.clock, run.wait_seconds)
        await erasure.decree(run.client, plan)  # once more, now that the moment of deletion is known
        await erasure.sweep(run.client, since_ms=0)
    finally:
        await erasure.forget(run.client, plan)
    kept = timedelta(hours=run.settings.kafka.retention_hours)
    until = datetime.fromtimestamp(run.clock.now_us() / 1e6, UTC) + kept
    return msgspec.structs.replace(report, erased=True, in_kafka_until=until.isoformat(timespec="seconds"))


async def _say(
    run: Run, threads: Sequence[ThreadRef], traces: Iterable[erasure.Found], spans: Iterable[erasure.Found]
) -> None:
    """Write into the log that the threads are deleted, and the tombstones of traces and spans."""
    now_us = run.clock.now_us()
    command = Command(requested_at_us=now_us)
    deletions = [command.record("delete", thread, None) for thread in threads]
    deletions += [
        TraceEvent(
            workspace=trace.workspace, version_us=now_us, received_at_us=now_us, id=trace.id, event="delete"
        ).record()
        for trace in traces
    ]  # fmt: skip
    tombstones = [
        SpanEvent(
            workspace=span.workspace, version_us=now_us, received_at_us=now_us, id=span.id, trace_id=span.trace_id,
            event="delete",
        ).record()
        for span in spans
        if span.trace_id is not None
    ]  # fmt: skip
    async with EventProducer(run.settings.kafka, client_id=_CLIENT_ID) as producer:
        await _publish(producer.publish, TRACES, deletions)
        await _publish(producer.publish, SPANS, tombstones)


async def _publish(
    publish: Callable[[Topic, Sequence[Record]], Awaitable[None]], topic: Topic, records: Sequence[Record]
) -> None:
    for start in range(0, len(records), _PUBLISH_RECORDS_MAX):
        await publish(topic, records[start : start + _PUBLISH_RECORDS_MAX])


async def _until_stored(kafka: KafkaSettings, clock: Clock, wait_seconds: float) -> None:
    """Return when the sinks have committed what every topic holds now: none of it will be stored a first time later."""
    ends = {name: [bound.end for bound in bounds] for name, bounds in (await _bounds(kafka)).items()}
    until = clock.monotonic() + wait_seconds
    while True:
        bounds = await _bounds(kafka)
        behind = sum(
            max(0, end - bound.committed)
            for name, topic_ends in ends.items()
            for end, bound in zip(topic_ends, bounds[name], strict=True)
        )
        if not behind:
            return
        if clock.monotonic() >= until:
            raise Stalled(
                f"the sinks have not stored {behind:,} records within {wait_seconds:g} s; nothing is erased yet: "
                "once they have they will do so with their next upkeep, or run this again"
            )
        await asyncio.sleep(_LOOK_SECONDS)


async def _bounds(kafka: KafkaSettings) -> Mapping[str, Sequence[Bounds]]:
    return await read_bounds(kafka, STORED, SINKS_GROUP)


async def _connected(settings: Settings, choice: Choice, confirm: Confirm, wait_seconds: float) -> Report:
    patient = settings.clickhouse.model_copy(update={"request_timeout_seconds": _MUTATION_SECONDS_MAX})
    clock = SystemClock()
    async with ClickHouse(patient) as client:
        threads, traces = await chosen(settings, clock, choice)
        return await erase(Run(settings, client, clock, wait_seconds), threads, traces, confirm)


def _text(report: Report) -> str:
    lines = [
        f"{report.threads:,} threads, {report.traces:,} traces, {report.spans:,} spans",
        *(f"  {table:<20}{rows:>12,} rows" for table, rows in report.rows.items() if rows),
    ]
    if report.erased:
        lines.append(f"erased; Kafka may hold the bytes until its retention is over, about {report.in_kafka_until}")
    else:
        lines.append("nothing is erased")
    return "\n".join(lines)
