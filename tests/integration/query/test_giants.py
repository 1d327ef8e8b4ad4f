"""A thread of 30,000 traces and a trace of 10,000 spans: read in pages and pieces, beside everybody else."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import SystemClock
from pipeline.adapters.web.app import build
from pipeline.query.conversations import TURNS_AT_ONCE_MAX, conversations
from pipeline.query.pages import STREAM_LIMIT_MAX
from pipeline.query.reader import Reader, query_settings
from pipeline.query.routes import Query
from pipeline.query.rows import Thread
from pipeline.query.statement import Scope
from pipeline.settings import ClickHouseSettings, QuerySettings
from tests.support.reading import Reads
from tests.support.stored import Log

pytestmark = pytest.mark.asyncio(loop_scope="module")

TURNS = 30_000
SPANS = 10_000
TRACES = "/v1/private/traces"
GIANT = [{"field": "thread_id", "operator": "=", "value": "giant"}]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stored(storage_port: int) -> Log:
    log = Log("workspace-of-giants")
    for number in range(TURNS):
        log.trace("giant", input=number)
    large = log.trace("small", input="hello", output="there")
    for number in range(SPANS):
        log.span(large, name=str(number), usage={"total_tokens": 2}, total_estimated_cost="0.001", type="llm")
    async with ClickHouse(ClickHouseSettings(port=storage_port)) as client:
        await log.store(client)
    return log


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def reader(storage_port: int) -> AsyncIterator[Reader]:
    # One query at a time: whoever held its place for the length of an answer would stop all others.
    settings = QuerySettings(concurrency_max=1, memory_bytes_max=256 * 1024 * 1024)
    async with ClickHouse(ClickHouseSettings(port=storage_port), query_settings=query_settings(settings)) as client:
        yield Reader(client, settings, SystemClock())


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def reads(storage_port: int, stored: Log) -> AsyncIterator[Reads]:
    settings = QuerySettings(memory_bytes_max=256 * 1024 * 1024)
    client = ClickHouse(ClickHouseSettings(port=storage_port), query_settings=query_settings(settings))
    query = Query(settings, SystemClock(), client)
    yield Reads(build({"query": query.routes()}, clock=SystemClock()), stored.workspace)
    await query.stop()


async def test_a_giant_thread_is_listed_and_retrieved_like_any_other(reads: Reads, stored: Log) -> None:
    page = (await reads.get(f"{TRACES}/threads", project_name=stored.project_name)).json
    thread = (
        await reads.post(f"{TRACES}/threads/retrieve", {"thread_id": "giant", "project_name": stored.project_name})
    ).json

    assert {row["id"]: row["number_of_messages"] for row in page["content"]} == {"giant": 2 * TURNS, "small": 2}
    assert (thread["first_message"], thread["number_of_messages"]) == (0, 2 * TURNS)


async def test_a_page_of_a_giant_conversation_is_a_page(reads: Reads, stored: Log) -> None:
    page = (
        await reads.get(
            TRACES, project_name=stored.project_name, filters=GIANT, size=100, page=TURNS // 100,
            sorting=[{"field": "start_time", "direction": "ASC"}],
        )
    ).json  # fmt: skip

    assert (page["size"], page["total"]) == (100, TURNS)
    assert [row["input"] for row in page["content"]] == list(range(TURNS - 100, TURNS))


async def test_a_stream_of_a_giant_conversation_has_each_trace_once_and_in_order(reads: Reads, stored: Log) -> None:
    asked = {"project_name": stored.project_name, "filters": GIANT, "limit": STREAM_LIMIT_MAX}
    lines: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []

    while not lines or len(found) == STREAM_LIMIT_MAX:
        cursor = {"last_retrieved_id": lines[-1]["id"]} if lines else {}
        found = (await reads.post(f"{TRACES}/search", asked | cursor)).lines
        lines += found

    assert [line["input"] for line in lines] == list(reversed(range(TURNS)))
    ids = [line["id"] for line in lines]
    assert ids == sorted(ids, reverse=True)


async def test_a_giant_is_told_in_pieces_and_others_are_answered_between_them(reader: Reader, stored: Log) -> None:
    scope = Scope(stored.workspace, stored.project)
    pieces = await conversations(reader, scope, [], lenient=False)
    told: dict[str, list[Any]] = {}
    between = 0
    async for piece in pieces:
        if isinstance(piece, Thread):
            told[piece.id] = []
            continue
        assert len(piece) <= TURNS_AT_ONCE_MAX
        told[str(piece[0].thread_id)] += [turn.id for turn in piece]
        between += (await reader.ask("SELECT 1 AS one", {}))[0]["one"]

    assert list(told) == ["small", "giant"]
    assert len(set(told["giant"])) == len(told["giant"]) == TURNS
    assert told["giant"] == sorted(told["giant"])
    assert between >= TURNS // TURNS_AT_ONCE_MAX


async def test_a_trace_of_many_spans_is_read_in_pages_and_sums_them(reads: Reads, stored: Log) -> None:
    named = {"project_name": stored.project_name}
    thread = (await reads.post(f"{TRACES}/threads/retrieve", named | {"thread_id": "small"})).json
    small = (await reads.post(f"{TRACES}/search", named | {"limit": 1})).lines[0]

    page = (await reads.get("/v1/private/spans", **named, trace_id=small["id"], size=1000, page=SPANS // 1000)).json
    asked = named | {"trace_id": small["id"], "limit": STREAM_LIMIT_MAX}
    lines = (await reads.post("/v1/private/spans/search", asked)).lines

    assert (small["span_count"], small["llm_span_count"], small["usage"]) == (SPANS, SPANS, {"total_tokens": 2 * SPANS})
    assert (thread["usage"], thread["total_estimated_cost"]) == ({"total_tokens": 2 * SPANS}, SPANS / 1000)
    assert (page["size"], page["total"]) == (1000, SPANS)
    assert [line["name"] for line in lines] == [str(SPANS - 1 - number) for number in range(STREAM_LIMIT_MAX)]
