import asyncio
from unittest import mock

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import SystemClock
from pipeline.adapters.web.app import build
from pipeline.errors import StorageUnavailable
from pipeline.local.process import free_port
from pipeline.query.reader import query_settings
from pipeline.query.routes import BODY_BYTES_MAX, Query
from pipeline.settings import ClickHouseSettings, QuerySettings
from tests.support.reading import Reads
from tests.support.stored import Log


async def test_who_calls_is_told_its_workspace(log: Log, reads: Reads) -> None:
    for prefix in ("/api", ""):
        assert (await reads.get(f"{prefix}/v1/private/auth/workspace")).json == {"workspace_name": log.workspace}
        assert (await reads.post(f"{prefix}/v1/private/auth", {})).status == 204


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"limit":"x"}', b"\xff", b'{"project_name":"p","limit":0}'])
async def test_a_body_that_cannot_be_meant_is_400(reads: Reads, body: bytes) -> None:
    for path in ("traces/search", "spans/search", "traces/threads/search", "traces/threads/retrieve"):
        assert (await reads.post(f"/v1/private/{path}", body)).status == 400


async def test_a_body_beyond_the_bound_is_413(reads: Reads) -> None:
    assert (await reads.post("/v1/private/traces/search", b" " * (BODY_BYTES_MAX + 1))).status == 413


async def test_one_workspace_never_sees_another(log: Log, writer: ClickHouse, reads: Reads) -> None:
    other = Log("another-of-" + log.workspace)
    trace = other.trace("t")
    await other.store(writer)

    for query in ({"project_id": str(other.project)}, {"project_name": other.project_name}):
        assert (await reads.get("/v1/private/traces", **query)).json["total"] == 0
        assert (await reads.get("/v1/private/traces/threads", **query)).json["total"] == 0
        assert (await reads.post("/v1/private/traces/search", query)).body == b""
    assert (await reads.get(f"/v1/private/traces/{trace}")).status == 404


async def test_queries_may_only_read(storage_port: int) -> None:
    async with ClickHouse(
        ClickHouseSettings(port=storage_port), query_settings=query_settings(QuerySettings())
    ) as client:
        with pytest.raises(StorageUnavailable, match="readonly"):
            await client.rows("ALTER TABLE traces DELETE WHERE 1")


async def test_without_storage_reads_answer_503_and_say_when_to_come_back() -> None:
    settings = QuerySettings()
    query = Query(settings, SystemClock(), ClickHouse(ClickHouseSettings(port=free_port())))
    await query.start()
    reads = Reads(build({"query": query.routes()}, clock=SystemClock()), "w")

    answer = await reads.post("/v1/private/traces/search", {"project_name": "p"})

    assert (answer.status, int(answer.headers["retry-after"])) == (503, 2)
    await query.stop()


async def test_more_queries_than_places_are_told_to_come_back(storage_port: int) -> None:
    settings = QuerySettings(concurrency_max=1, queue_seconds_max=0.05)
    client = ClickHouse(ClickHouseSettings(port=storage_port), query_settings=query_settings(settings))
    query = Query(settings, SystemClock(), client)
    reads = Reads(build({"query": query.routes()}, clock=SystemClock()), "w")
    arrived, release = asyncio.Event(), asyncio.Event()
    rows = client.rows

    async def held(sql: str, parameters: object) -> object:
        arrived.set()
        await release.wait()
        return await rows(sql, parameters)  # type: ignore[arg-type]

    with mock.patch.object(client, "rows", held):
        first = asyncio.create_task(reads.get("/v1/private/traces/exists", project_name="p"))
        await arrived.wait()
        refused = await reads.get("/v1/private/traces/exists", project_name="p")
        release.set()

        assert (refused.status, refused.headers["ratelimit-reset"]) == (429, "1")
        assert (await first).json == {"exists": False}
    await query.stop()
