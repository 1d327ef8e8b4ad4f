import asyncio
from collections.abc import Callable
from unittest import mock
from uuid import UUID

import pytest
from starlette.routing import Route

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


SHOWING = 15
"""How many routes show the thing itself: the others tell a number, a name or a setting."""
MARKER = "seen-by-its-owner-only"


async def test_no_route_shows_anything_of_another_workspace(
    log: Log, writer: ClickHouse, start_query: Callable[..., Query]
) -> None:
    """Every route is asked for what is really there, by its ids and names: the owner sees it, another workspace not."""
    trace = log.trace("t", name=MARKER, input={"text": MARKER}, tags_added=[MARKER])
    span = log.span(trace, name=MARKER, input={"text": MARKER})
    log.opened("t", 0)
    comment = UUID(int=7 << 76 | 2 << 62 | 9)
    for entity, identity in (("trace", trace), ("span", span), ("thread", log.model("t"))):
        log.annotate(entity, identity, "comment", comment_id=comment, text=MARKER)
    log.score("thread", log.model("t"), MARKER, "1")
    await log.store(writer)
    query = start_query()
    app = build({"query": query.routes()}, clock=SystemClock())
    ids = {"traces": trace, "spans": span, "threads": log.model("t"), "projects": log.project}
    named = {"project_name": log.project_name, "thread_id": "t", "name": log.project_name}
    shown = []
    for route in query.routes():
        if not isinstance(route, Route) or "/v1/" not in route.path:
            continue
        entity = route.path.split("/{id}")[0].rpartition("/")[2]
        identity = ids.get(entity, trace)
        path = route.path.replace("{comment_id}", str(comment)).replace("{id}", str(identity))
        for workspace in (log.workspace, f"not-{log.workspace}"):
            reads = Reads(app, workspace)
            is_get = "GET" in (route.methods or ())
            answer = await (reads.get(path, project_name=log.project_name) if is_get else reads.post(path, named))
            if workspace == log.workspace:
                shown += [route.path] * (MARKER.encode() in answer.body)
            else:
                assert MARKER.encode() not in answer.body, route.path
    assert len(shown) == len(set(shown)) == SHOWING, shown


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
