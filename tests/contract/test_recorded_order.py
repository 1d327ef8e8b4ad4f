"""Promise 2 on the traffic of the real clients: whatever the order, and however often, the same rows."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.local.stack import Stack
from pipeline.sinks.reconciliation import balance_all
from tests.support.recorded import Recorded, entity_ids, writes_of_traces_and_spans
from tests.support.waiting import eventually

# These tell when and how often something arrived, or follow from the workspace: they differ by design.
BY_RECEIPT = ("workspace", "project_id", "created_at_us", "last_updated_at_us", "events")
TRACE_COLUMNS_BY_RECEIPT = (*BY_RECEIPT, "first_version_us", "activity_log_id", "activity_offset", "activity_at_ms")
SPAN_COLUMNS_BY_RECEIPT = (*BY_RECEIPT, "first_version_us")
MEMBERS_BY_RECEIPT = ("project_id", "created_at", "last_updated_at")
SETTLE_SECONDS_MAX = 120


def orders() -> dict[str, list[Recorded]]:
    recorded = writes_of_traces_and_spans()
    shuffled = [*recorded, *recorded]
    random.Random(7).shuffle(shuffled)
    return {"in-order": recorded, "reversed": recorded[::-1], "shuffled-twice": shuffled}


async def send(session: aiohttp.ClientSession, workspace: str, requests: Sequence[Recorded]) -> None:
    for method, path, body in requests:
        async with session.request(method, f"/api{path}", json=body, headers={"Comet-Workspace": workspace}) as answer:
            assert answer.status < 300, (path, await answer.text())


async def wait_until_stored(stack: Stack, client: ClickHouse) -> None:
    await eventually(
        lambda: balance_all(stack.kafka, client),
        lambda balances: not any(balance.pending for balance in balances),
        seconds_max=SETTLE_SECONDS_MAX,
    )


async def rows(client: ClickHouse, table: str, workspace: str, ignored: Sequence[str]) -> dict[str, dict[str, Any]]:
    sql = f"SELECT * EXCEPT ({', '.join(ignored)}) FROM {table} FINAL WHERE workspace = {{workspace:String}}"  # noqa: S608
    return {str(row["id"]): row for row in await client.rows(sql, {"workspace": workspace})}


async def payloads(session: aiohttp.ClientSession, kind: str, workspace: str) -> dict[str, dict[str, Any]]:
    found = {}
    for entity in sorted(entity_ids(kind)):
        headers = {"Comet-Workspace": workspace}
        async with session.get(f"/api/v1/private/{kind}/{entity}", headers=headers) as answer:
            assert answer.status == 200, (kind, entity, await answer.text())
            members = await answer.json()
            found[entity] = {name: value for name, value in members.items() if name not in MEMBERS_BY_RECEIPT}
    return found


async def test_recorded_creates_and_patches_end_in_the_same_rows_in_any_order(tmp_path: Path) -> None:
    stack = Stack(tmp_path, port=0, thread_timeout=None, on_line=lambda _name, _line: None)
    client = ClickHouse(stack.clickhouse)
    seen = {}
    try:
        await stack.start()
        await client.start()
        async with aiohttp.ClientSession(stack.base_url) as session:
            for workspace, requests in orders().items():
                await send(session, workspace, requests)
            await wait_until_stored(stack, client)
            for workspace in orders():
                seen[workspace] = {
                    "traces": await rows(client, "traces", workspace, TRACE_COLUMNS_BY_RECEIPT),
                    "spans": await rows(client, "spans", workspace, SPAN_COLUMNS_BY_RECEIPT),
                    "trace payloads": await payloads(session, "traces", workspace),
                    "span payloads": await payloads(session, "spans", workspace),
                }
    finally:
        await client.close()
        await stack.stop()

    first, *others = seen.values()
    assert first["traces"].keys() == entity_ids("traces")
    assert first["spans"].keys() == entity_ids("spans")
    for other in others:
        assert other == first
