"""`threadline rebuild`: make the tables for reading lists anew from the events.

The tables are emptied, and every event's trace, span and thread is folded again, so that rows which no event accounts
for are gone. Views go on working: `thread_traces` is filled by folding traces, and what sessions say is put in as its
view would. Sinks may go on meanwhile: they fold what they insert, the row that folded more events wins, and what
sessions say are maxima. Until it is done reading lists are incomplete.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console

from pipeline.adapters.clickhouse.client import ClickHouse, new_token
from pipeline.adapters.clickhouse.cluster import local
from pipeline.settings import Settings
from pipeline.sinks.fold import fold
from pipeline.sinks.ranges import Covered, Span
from pipeline.sinks.thread_fold import OF_THREADS

FOLDED: Final = {"trace_events": "traces", "span_events": "spans"}
_FIELDS: Final = {"trace_events": "trace_fields", "span_events": "span_events"}
"""Where the events can be looked through cheaply."""
_EMPTIED: Final = ("traces", "spans", "thread_traces", "thread_sessions", *OF_THREADS)
"""What is folded from others comes after them: a sink that read the old rows has little time to write what they say."""
EVENTS_PER_FOLD: Final = 100_000
_CHUNKS: Final = """
SELECT
    log_id, log_partition, min(log_offset) AS first, max(log_offset) AS last, count() AS events,
    min(appended_at_ms) AS appended_from_ms, max(appended_at_ms) AS appended_to_ms
FROM {table}
GROUP BY log_id, log_partition, intDiv(log_offset, {events_per_fold:UInt64})
ORDER BY appended_from_ms"""

_SESSION_VIEW: Final = "SELECT as_select FROM system.tables WHERE database = currentDatabase() AND name = {view:String}"
_SESSION_EVENTS: Final = "SELECT count() AS events FROM thread_events"


def run(settings: Settings, *, as_json: bool) -> None:
    """Rebuild and print how many events were folded into each table."""
    counts = asyncio.run(_connected(settings))
    if as_json:
        print(json.dumps(counts))  # noqa: T201
    else:
        for table, events in counts.items():
            print(f"{table:<16}{events:>14,} events folded")  # noqa: T201


async def rebuild(client: ClickHouse, console: Console, *, events_per_fold: int = EVENTS_PER_FOLD) -> dict[str, int]:
    """Empty the folded tables, fold every event again, and return how many; raises StorageUnavailable.

    Threads are folded with what they are made of: with traces, and again with spans.
    """
    for table in _EMPTIED:
        await client.command(f"TRUNCATE TABLE {client.stored(table)}")
    counts: dict[str, int] = {}
    for events, folded in FOLDED.items():
        chunks = await client.rows(_CHUNKS.replace("{table}", _FIELDS[events]), {"events_per_fold": events_per_fold})
        with console.status(folded) as status:
            for number, chunk in enumerate(chunks):
                status.update(f"{folded}: {number} of {len(chunks)} ranges")
                await fold(client, events, _covered(events, chunk), cores_max=0)
        counts[folded] = sum(chunk["events"] for chunk in chunks)
    return counts | {"thread_sessions": await _tell_sessions(client)}


async def _tell_sessions(client: ClickHouse) -> int:
    """Put what every session said into `thread_sessions`, by the SELECT of the view that keeps it."""
    view = (await client.rows(_SESSION_VIEW, {"view": "thread_sessions_view"}))[0]["as_select"]
    view = view.replace(local("thread_events"), "thread_events")  # on a cluster it reads what comes into its shard
    await client.command(
        f"INSERT INTO thread_sessions {view}",
        settings={"insert_deduplication_token": new_token()},
    )
    return int((await client.rows(_SESSION_EVENTS))[0]["events"])


def _covered(table: str, chunk: Mapping[str, Any]) -> Covered:
    return Covered(
        log_id=chunk["log_id"],
        topic=table,
        offsets={chunk["log_partition"]: Span(chunk["first"], chunk["last"])},
        rows=chunk["events"],
        appended_from_ms=chunk["appended_from_ms"],
        appended_to_ms=chunk["appended_to_ms"],
    )


async def _connected(settings: Settings) -> dict[str, int]:
    async with ClickHouse(settings.clickhouse) as client:
        return await rebuild(client, Console(stderr=True))
