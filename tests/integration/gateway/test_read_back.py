"""Settings, tags and comments through the whole: written by the gateway, decided by the stream, read by the query."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import uuid_utils.compat as uuids

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import SystemClock
from pipeline.events.identity import DEFAULT_PROJECT_NAME, project_id, thread_model_id
from pipeline.local.stack import Stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIGURATIONS = "workspaces/configurations"
TIMEOUT = "timeout_to_mark_thread_as_inactive"
IN_FORCE_SECONDS_MAX = 2.0
ATTEMPTS = 3
READ_SECONDS_MAX = 120.0
LOOKUP_SECONDS_MAX = "5"  # of a machine that does other things too
CLOSED = "SELECT thread_id, appended_at_ms FROM thread_events WHERE workspace = {workspace:String} AND event = 'closed'"


@dataclass(frozen=True)
class Client:
    """A client of one workspace, and what is stored of it."""

    session: aiohttp.ClientSession
    storage: ClickHouse
    workspace: str

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and JSON of an answer; of a 201 the path where it says that the new thing is."""
        headers = {"Comet-Workspace": self.workspace}
        async with self.session.request(method, f"/api/v1/private/{path}", json=body, headers=headers) as answer:
            if answer.status == 201:
                return 201, answer.headers["Location"].removeprefix("/api/v1/private/")
            return answer.status, await answer.json() if answer.content_type == "application/json" else None

    async def log_trace(self, thread_id: str) -> None:
        trace = {"id": str(uuids.uuid7()), "start_time": "2026-11-22T09:23:26.883729Z", "thread_id": thread_id}
        assert await self.call("POST", "traces/batch", {"traces": [trace]}) == (204, None)

    async def configure(self, **members: Any) -> None:
        assert await self.call("PUT", CONFIGURATIONS, members) == (200, members)

    def model_of(self, thread_id: str) -> str:
        return str(thread_model_id(project_id(self.workspace, DEFAULT_PROJECT_NAME), thread_id))

    async def thread(self, thread_id: str) -> dict[str, Any]:
        """Return a thread, nothing of it where it is unknown."""
        body = {"thread_id": thread_id, "project_name": DEFAULT_PROJECT_NAME}
        status, found = await self.call("POST", "traces/threads/retrieve", body)
        return found if status == 200 else {}

    async def becomes_open(self, thread_id: str) -> None:
        await eventually(
            lambda: self.thread(thread_id), lambda seen: seen.get("status") == "active", seconds_max=READ_SECONDS_MAX
        )

    async def closed(self) -> dict[str, int]:
        """Return when the closing of each thread was published, in microseconds since 1970."""
        rows = await self.storage.rows(CLOSED, {"workspace": self.workspace})
        return {row["thread_id"]: row["appended_at_ms"] * 1000 for row in rows}

    async def becomes_closed(self, thread_id: str) -> int:
        found = await eventually(self.closed, lambda seen: thread_id in seen, seconds_max=READ_SECONDS_MAX)
        return found[thread_id]

    async def configuration_becomes(self, expected: dict[str, Any]) -> None:
        await eventually(
            lambda: self.call("GET", CONFIGURATIONS), lambda seen: seen == (200, expected), seconds_max=READ_SECONDS_MAX
        )


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("THREADLINE_GATEWAY_LOOKUP_SECONDS_MAX", LOOKUP_SECONDS_MAX)
        stack = Stack(tmp_path_factory.mktemp("stack"), port=0, thread_timeout="60s", on_line=lambda _name, _line: None)
    try:
        await stack.start()
        yield stack
    finally:
        await stack.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(stack.base_url) as session, ClickHouse(stack.clickhouse) as storage:
        yield Client(session, storage, f"workspace-{uuids.uuid7()}")


async def test_a_lowered_timeout_closes_an_open_thread_within_two_seconds(client: Client) -> None:
    seconds = [await seconds_to_close(client, f"open for 60 s, {attempt}") for attempt in range(ATTEMPTS)]

    assert min(seconds) <= IN_FORCE_SECONDS_MAX


async def seconds_to_close(client: Client, thread_id: str) -> float:
    """Return after what time a thread that falls silent is closed by a lowered timeout; a busy machine only adds."""
    await client.configure(**{TIMEOUT: "PT1M"})
    await client.log_trace(thread_id)
    await client.becomes_open(thread_id)

    lowered_at_us = SystemClock().now_us()
    await client.configure(**{TIMEOUT: "PT1S"})

    return (await client.becomes_closed(thread_id) - lowered_at_us) / 1e6


async def test_a_raised_timeout_keeps_an_open_thread_open(client: Client) -> None:
    other = Client(client.session, client.storage, f"other-than-{client.workspace}")
    await client.configure(**{TIMEOUT: "PT3S"})
    await other.configure(**{TIMEOUT: "PT5S"})
    await client.log_trace("kept")

    await client.configure(**{TIMEOUT: "PT1H"})

    await other.log_trace("closes later than it would have")
    await other.becomes_closed("closes later than it would have")
    assert await client.closed() == {}
    assert (await client.thread("kept"))["status"] == "active"


async def test_a_configuration_is_read_as_it_stands_in_the_log_until_it_is_taken_back(client: Client) -> None:
    assert await client.call("GET", CONFIGURATIONS) == (200, {})
    await client.configure(**{TIMEOUT: "PT30M"}, thread_score_regime="lenient", color_map={"a": "#FF0000"})
    await client.configure(**{TIMEOUT: "PT45M"}, truncation_on_tables=False)

    await client.configuration_becomes({TIMEOUT: "PT45M", "truncation_on_tables": False})
    assert await client.call("DELETE", CONFIGURATIONS) == (204, None)
    await client.configuration_becomes({})


async def test_a_lenient_workspace_scores_threads_that_are_open_and_counts_the_scores(client: Client) -> None:
    scores = {"scores": [{"thread_id": "t", "name": "csat", "value": 1, "source": "sdk"}]}
    await client.log_trace("t")
    status, refusal = await client.call("PUT", "traces/threads/feedback-scores", scores)
    assert (status, refusal["message"]) == (409, "Threads must be closed before scoring. Thread IDs are active: '[t]'")

    await client.configure(thread_score_regime="lenient")

    assert await client.call("PUT", "traces/threads/feedback-scores", scores) == (204, None)
    await eventually(
        lambda: client.thread("t"),
        lambda seen: [score["name"] for score in seen.get("feedback_scores", [])] == ["csat"],
        seconds_max=READ_SECONDS_MAX,
    )


async def test_tags_and_comments_are_taken_for_what_was_just_written(client: Client) -> None:
    await client.log_trace("t")
    thread = f"traces/threads/{client.model_of('t')}"

    assert await client.call("PATCH", thread, {"tags": ["vip", "later"]}) == (204, None)
    body = {"ids": [client.model_of("t")], "update": {"tags": ["seen"]}, "merge_tags": True}
    assert await client.call("PATCH", "traces/threads/batch", body) == (204, None)
    assert await client.call("PATCH", thread, {"tags_to_remove": ["later"]}) == (204, None)
    _, kept = await client.call("POST", f"{thread}/comments", {"text": "hm"})
    _, gone = await client.call("POST", f"{thread}/comments", {"text": "a slip"})
    kept_id, gone_id = (place.rsplit("/", 1)[1] for place in (kept, gone))
    assert await client.call("PATCH", f"traces/threads/comments/{kept_id}", {"text": "better"}) == (204, None)
    assert await client.call("POST", "traces/threads/comments/delete", {"ids": [gone_id]}) == (204, None)

    def is_there(seen: dict[str, Any]) -> bool:
        comments = [comment["text"] for comment in seen.get("comments", [])]
        return (seen.get("tags"), comments) == (["seen", "vip"], ["better"])

    await eventually(lambda: client.thread("t"), is_there, seconds_max=READ_SECONDS_MAX)
    assert (await client.call("GET", kept))[1]["text"] == "better"
    assert (await client.call("GET", gone))[0] == 404
    assert (await client.call("PATCH", f"traces/threads/comments/{gone_id}", {"text": "again"}))[0] == 404


@pytest.mark.parametrize("entity", ["traces", "spans"])
async def test_comments_on_traces_and_spans_stand_where_the_answer_says(client: Client, entity: str) -> None:
    status, place = await client.call("POST", f"{entity}/{uuids.uuid7()}/comments", {"text": "hm"})
    comment_id = place.rsplit("/", 1)[1]

    assert status == 201
    assert (await client.call("PATCH", f"{entity}/comments/{comment_id}", {"text": "better"}))[0] == 204
    await eventually(
        lambda: client.call("GET", place),
        lambda seen: seen[0] == 200 and seen[1]["text"] == "better",
        seconds_max=READ_SECONDS_MAX,
    )


async def test_what_nobody_ever_wrote_is_a_404_after_a_while(client: Client) -> None:
    unknown = uuids.uuid7()

    answers = await asyncio.gather(
        client.call("PATCH", f"traces/threads/{unknown}", {"tags": ["a"]}),
        client.call("PATCH", f"traces/threads/comments/{unknown}", {"text": "a"}),
        client.call("POST", "traces/comments/delete", {"ids": [str(unknown)]}),
    )

    assert [status for status, _ in answers] == [404, 404, 204]
