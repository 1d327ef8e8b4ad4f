import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from pipeline.adapters.kafka.consumer import LogRecord
from pipeline.errors import BrokerUnavailable, Malformed, Overloaded
from pipeline.events.envelope import Headers
from pipeline.events.threads import ThreadEvent
from pipeline.gateway.live import Live
from tests.support.asgi import scope_of
from tests.support.gateway import gateway_settings

PROJECT = UUID(int=1)
OTHER = UUID(int=2)


class Appended(NamedTuple):
    value: bytes | None
    offset: int = 0
    timestamp: int = 0
    key: bytes | None = None
    headers: Headers = ()


def said(thread_id: str, event: str = "opened", project: UUID = PROJECT, workspace: str = "default") -> Appended:
    fields: dict[str, Any] = {"reason": "inactive", "closed_at_us": 2} if event == "closed" else {}
    record = ThreadEvent(
        workspace=workspace, version_us=1, received_at_us=1, project_id=project, thread_id=thread_id,
        thread_model_id=PROJECT, event=event, session_id=f"s-{thread_id}", session_log_id=PROJECT,  # type: ignore[arg-type]
        session_partition=0, first_offset=0, last_offset=0, opened_at_us=1, last_activity_at_us=1, **fields,
    ).record()  # fmt: skip
    return Appended(record.value)


class Log:
    """What is followed: runs of records, or a failure."""

    def __init__(self) -> None:
        self.runs: asyncio.Queue[Sequence[LogRecord] | Exception] = asyncio.Queue()
        self.follows = 0

    async def follow(self) -> AsyncGenerator[Sequence[LogRecord]]:
        self.follows += 1
        yield []
        while True:
            run = await self.runs.get()
            if isinstance(run, Exception):
                raise run
            yield run


async def listen(live: Live, project: object = PROJECT, workspace: str = "default") -> AsyncIterator[str]:
    scope = scope_of("GET", "/", {"Comet-Workspace": workspace}) | {"query_string": f"project_id={project}".encode()}
    answer = await live.listen(Request(scope))
    assert isinstance(answer, StreamingResponse)
    assert answer.media_type == "text/event-stream"
    return (bytes(chunk).decode() async for chunk in answer.body_iterator)  # type: ignore[arg-type]


async def started(**settings: Any) -> tuple[Live, Log]:
    log = Log()
    live = Live(gateway_settings(**settings), log.follow)
    await live.start()
    while not log.follows:  # noqa: ASYNC110 - one turn of the loop
        await asyncio.sleep(0)
    return live, log


async def test_a_page_hears_of_its_own_project_only_and_in_order() -> None:
    live, log = await started()
    heard = await listen(live)
    assert await anext(heard) == "event: ready\ndata: {}\n\n"

    foreign = [said("x", project=OTHER), said("y", workspace="w")]
    log.runs.put_nowait([*foreign, said("a"), said("a", "refused"), said("a", "closed")])

    opened, closed = await anext(heard), await anext(heard)
    assert opened.startswith("event: opened\ndata: ")
    assert json.loads(opened.split("data: ")[1]) == {
        "thread_id": "a", "status": "active", "session_id": "s-a", "reason": None,
    }  # fmt: skip
    assert json.loads(closed.split("data: ")[1])["status"] == "inactive"
    await live.stop()


async def test_a_page_hears_nothing_of_other_workspaces() -> None:
    live, log = await started()
    heard = await listen(live, workspace="w")
    await anext(heard)

    log.runs.put_nowait([said("of default"), said("ours", workspace="w")])

    assert '"ours"' in await anext(heard)
    await live.stop()


async def test_a_page_that_does_not_keep_up_is_told_that_it_missed_something() -> None:
    live, log = await started(live_queue_events_max=3)
    heard = await listen(live)
    await anext(heard)

    log.runs.put_nowait([said(str(number)) for number in range(5)])

    assert await anext(heard) == "event: missed\ndata: {}\n\n"
    assert '"3"' in await anext(heard)
    assert '"4"' in await anext(heard)
    await live.stop()


async def test_after_the_log_was_away_a_page_is_told_that_it_may_have_missed_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.gateway.live._RETRY_SECONDS", 0)
    live, log = await started()
    heard = await listen(live)
    await anext(heard)

    log.runs.put_nowait(BrokerUnavailable("away"))
    assert await anext(heard) == "event: missed\ndata: {}\n\n"
    log.runs.put_nowait([Appended(b"{"), said("again")])

    assert '"again"' in await anext(heard)
    await live.stop()


async def test_a_silent_stream_shows_that_it_is_alive() -> None:
    live, _ = await started(live_beat_seconds=0.01)
    heard = await listen(live)
    await anext(heard)

    assert (await anext(heard)).startswith(":")
    await live.stop()


async def test_more_pages_than_allowed_are_told_to_come_back() -> None:
    live, _ = await started(live_listeners_max=1)
    heard = await listen(live)
    await anext(heard)

    with pytest.raises(Overloaded):
        await listen(live)

    await heard.aclose()  # type: ignore[attr-defined]
    await live.stop()


async def test_stopping_ends_every_stream() -> None:
    live, _ = await started()
    heard = await listen(live)
    await anext(heard)

    await live.stop()

    assert [chunk async for chunk in heard] == []
    with pytest.raises(Overloaded):
        await listen(live)


async def test_a_project_must_be_named() -> None:
    live, _ = await started()

    with pytest.raises(Malformed):
        await listen(live, project="none")
    await live.stop()
