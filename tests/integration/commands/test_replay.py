"""A range of the log stored once more, and the folded tables made anew, beside what was there before."""

import json
from typing import Any

import uuid_utils.compat as uuids

from pipeline.events.traces import TraceEvent
from pipeline.sinks.reconciliation import balance_all
from pipeline.topics import TRACES
from tests.support.command import run_here
from tests.support.installation import PARTITIONS, Installation

TABLES = ("trace_events", "trace_fields", "traces")


def turns(count: int) -> list[TraceEvent]:
    shared: dict[str, Any] = {"workspace": "w", "received_at_us": 5, "project_id": uuids.uuid7()}
    ids = [uuids.uuid7() for _ in range(count)]
    created = [TraceEvent(**shared, version_us=1, id=one, event="create", thread_id="t", input='"a"') for one in ids]
    moved = [TraceEvent(**shared, version_us=2, id=one, event="patch", thread_id="elsewhere") for one in ids[::3]]
    return created + moved


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
    await installation.publish(TRACES, [event.record() for event in events])
    sink = await installation.start_sink()
    await installation.stored()
    before = {table: await rows_of(installation, table) for table in TABLES}

    # What is there does not change, and who stores it all the time is not disturbed.
    assert await run(installation, "replay", "--topic", "traces") == {"topic": "traces", "records": len(events)}
    assert {table: await rows_of(installation, table) for table in TABLES} == before
    late = await run(installation, "replay", "--topic", "traces", "--from", "2100-01-01")
    early = await run(installation, "replay", "--topic", "traces", "--from", "0", "--to", "1")
    assert (late["records"], 0 < early["records"] <= PARTITIONS) == (0, True)

    # What was lost is there again.
    for table in TABLES:
        await installation.client.command(f"TRUNCATE TABLE {table}")
    await run(installation, "replay", "--topic", "traces")
    assert {table: await rows_of(installation, table) for table in TABLES} == before

    # A row that no event accounts for is gone, whatever its version.
    await installation.client.command(
        "INSERT INTO traces (workspace, project_id, thread_id, id, events, is_deleted) "
        "SELECT workspace, project_id, thread_id, id, 99, 0 FROM traces FINAL LIMIT 5"
    )
    assert (await rows_of(installation, "traces")) != before["traces"]
    assert await run(installation, "rebuild") == {"traces": len(events), "spans": 0}
    assert {table: await rows_of(installation, table) for table in TABLES} == before

    assert sink.returncode is None
    balances = await balance_all(installation.kafka, installation.client)
    assert all(balance.gap == 0 for balance in balances)
