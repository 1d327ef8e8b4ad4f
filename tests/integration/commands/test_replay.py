"""A range of the log stored once more, and the folded tables made anew, beside what was there before."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import uuid_utils.compat as uuids
from aiokafka import AIOKafkaProducer

from pipeline.events.identity import NIL_ID, thread_model_id
from pipeline.events.spans import SpanEvent
from pipeline.events.threads import ThreadEvent
from pipeline.events.traces import TraceEvent
from pipeline.sinks.reconciliation import balance_all
from pipeline.topics import SPANS, THREADS, TRACES
from tests.support.command import run_here
from tests.support.installation import PARTITIONS, Installation

TABLES = ("trace_events", "trace_fields", "traces")
FOLDED = ("traces", "spans", "thread_traces", "thread_sessions", "threads")

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_LARGEST = dict.fromkeys(FOLDED, "99 AS events, 'lie' AS environment") | {"thread_sessions": "99 AS changed_at_us"}


def turns(count: int) -> list[TraceEvent]:
    shared: dict[str, Any] = {"workspace": "w", "received_at_us": 5, "project_id": uuids.uuid7()}
    ids = [uuids.uuid7() for _ in range(count)]
    created = [TraceEvent(**shared, version_us=1, id=one, event="create", thread_id="t", input='"a"') for one in ids]
    moved = [TraceEvent(**shared, version_us=2, id=one, event="patch", thread_id="elsewhere") for one in ids[::3]]
    return created + moved


def spans_of(traces: list[TraceEvent]) -> list[SpanEvent]:
    shared: dict[str, Any] = {"workspace": "w", "version_us": 1, "received_at_us": 5, "usage": {"total_tokens": 3}}
    return [SpanEvent(**shared, id=uuids.uuid7(), trace_id=trace.id, event="create") for trace in traces]


def session_of(trace: TraceEvent, **said: Any) -> ThreadEvent:
    assert trace.project_id
    assert trace.thread_id
    return ThreadEvent(
        workspace="w", version_us=7, received_at_us=7, project_id=trace.project_id, thread_id=trace.thread_id,
        thread_model_id=thread_model_id(trace.project_id, trace.thread_id), session_id="s", session_log_id=NIL_ID,
        session_partition=0, first_offset=1, last_offset=2, opened_at_us=3, last_activity_at_us=4, **said,
    )  # fmt: skip


async def rows_of(installation: Installation, table: str) -> list[dict[str, Any]]:
    return await installation.client.rows(f"SELECT * FROM {table} FINAL ORDER BY ALL")  # noqa: S608


async def run(installation: Installation, *arguments: str) -> Any:
    found = await run_here(installation.environment(), *arguments, "--json")
    assert found.exit_code == 0, (found.output, found.exception)
    return json.loads(found.stdout)


async def test_a_range_is_stored_once_more_and_folded_tables_are_made_anew_with_the_same_rows(
    installation: Installation,
) -> None:
    events = turns(60)
    spans = spans_of(events[:20])
    sessions = [session_of(events[0], event="opened"), session_of(events[0], event="closed", closed_at_us=9)]
    await installation.publish(TRACES, [event.record() for event in events])
    await installation.publish(SPANS, [span.record() for span in spans])
    await installation.publish(THREADS, [session.record() for session in sessions])
    sink = await installation.start_sink()
    await installation.stored()
    before = {table: await rows_of(installation, table) for table in TABLES}

    # What is there does not change, and who stores it all the time is not disturbed.
    assert await run(installation, "replay", "--topic", "traces") == {
        "topic": "traces", "records": len(events), "deleted": 0,
    }  # fmt: skip
    assert {table: await rows_of(installation, table) for table in TABLES} == before
    late = await run(installation, "replay", "--topic", "traces", "--from", "2100-01-01")
    early = await run(installation, "replay", "--topic", "traces", "--from", "0", "--to", "1")
    assert (late["records"], 0 < early["records"] <= PARTITIONS) == (0, True)

    # What was lost is there again.
    for table in TABLES:
        await installation.client.command(f"TRUNCATE TABLE {table}")
    await run(installation, "replay", "--topic", "traces")
    assert {table: await rows_of(installation, table) for table in TABLES} == before

    # Rows that no event accounts for are gone, whatever their version.
    before = {table: await rows_of(installation, table) for table in (*TABLES, *FOLDED)}
    for table in FOLDED:
        await installation.client.command(
            f"INSERT INTO {table} SELECT * REPLACE ({_LARGEST[table]}) FROM {table} FINAL LIMIT 5"  # noqa: S608
        )
        assert (await rows_of(installation, table)) != before[table], table
    counts = {"traces": len(events), "spans": len(spans), "thread_sessions": len(sessions)}
    assert await run(installation, "rebuild") == counts
    assert {table: await rows_of(installation, table) for table in (*TABLES, *FOLDED)} == before

    assert sink.returncode is None
    balances = await balance_all(installation.kafka, installation.client)
    assert all(balance.gap == 0 for balance in balances)


async def append(installation: Installation, spans: list[SpanEvent], at_seconds: Sequence[int]) -> None:
    """Append spans to one partition, each at so many seconds after BEGAN."""
    producer = AIOKafkaProducer(bootstrap_servers=installation.kafka.bootstrap, acks="all")
    await producer.start()
    try:
        for span, seconds in zip(spans, at_seconds, strict=True):
            record = span.record()
            await producer.send_and_wait(
                SPANS.name, record.value, record.key, partition=0, headers=list(record.headers),
                timestamp_ms=int((BEGAN.timestamp() + seconds) * 1000),
            )  # fmt: skip
    finally:
        await producer.stop()


async def test_a_replay_stores_its_rows_whatever_another_stored_between_the_same_offsets(
    installation: Installation,
) -> None:
    async def replay(begin_seconds: int, end_seconds: int) -> int:
        begin, end = (BEGAN + timedelta(seconds=seconds) for seconds in (begin_seconds, end_seconds))
        bounds = ("--from", begin.isoformat(), "--to", end.isoformat())
        return int((await run(installation, "replay", "--topic", "spans", *bounds))["records"])

    async def offsets() -> list[int]:
        rows = await installation.client.rows("SELECT log_offset AS at FROM span_events FINAL ORDER BY at")
        return [row["at"] for row in rows]

    # Stamps of several producers are in no order, so that a time leaves out records between others.
    await append(installation, spans_of(turns(4)[:4]), (5, 1, 9, 5))

    assert await replay(0, 6) == 3
    assert await offsets() == [0, 1, 3]
    assert await replay(5, 10) == 3
    assert await offsets() == [0, 1, 2, 3]

    # What was lost since is there again, although the same range was replayed before.
    gone = "ALTER TABLE span_events DELETE WHERE log_offset = 1"
    await installation.client.command(gone, settings={"mutations_sync": 2})
    assert await offsets() == [0, 2, 3]
    assert await replay(0, 6) == 3
    assert await offsets() == [0, 1, 2, 3]
