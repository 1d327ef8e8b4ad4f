import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import aiohttp
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.adapters.listener import Listener
from pipeline.commands.bench.archive import PROJECT_ID, Archive, long_thread, thread_id
from pipeline.commands.bench.reads import Reads
from pipeline.errors import FatalError

ARCHIVE = Archive(100_000)


async def first_of(name: str, answers: Callable[[Request], Awaitable[Response]]) -> None:
    """Take one read of a series from a server that answers everything with `answers`."""
    app = Starlette(routes=[Route("/{path:path}", answers, methods=["GET", "POST"])])
    listener = Listener(app, host="127.0.0.1", port=0, drain_seconds=1)
    await listener.start()
    try:
        async with aiohttp.ClientSession() as session:
            reads = Reads(session, f"http://127.0.0.1:{listener.port}", ARCHIVE)
            async with aclosing(reads.series()[name]()) as series:
                await anext(series)
    finally:
        await listener.stop()


async def test_a_conversation_is_asked_for_by_its_thread_id_and_must_have_all_its_turns() -> None:
    async def answers(request: Request) -> Response:
        body = msgspec.json.decode(await request.body())
        assert body["project_id"] == str(PROJECT_ID)
        assert body["filters"] == [{"field": "thread_id", "operator": "=", "value": long_thread(0)}]
        return Response(b'{"thread_id":"%s"}\n' % long_thread(0).encode() * turns)

    turns = 100
    await first_of("conversation", answers)
    turns = 99
    with pytest.raises(FatalError, match="99 turns instead of 100"):
        await first_of("conversation", answers)


async def test_another_thread_than_the_one_asked_for_is_no_answer() -> None:
    async def answers(_: Request) -> Response:
        return JSONResponse({"id": found, "last_message": "a"})

    found = thread_id(0)
    await first_of("retrieve", answers)
    found = thread_id(1)
    with pytest.raises(FatalError, match=f"{thread_id(1)} instead of {thread_id(0)}"):
        await first_of("retrieve", answers)


async def test_a_filtered_page_may_hold_only_what_matches() -> None:
    async def answers(request: Request) -> Response:
        assert "filters" in request.query_params
        return JSONResponse({"size": 1, "total": 9, "content": [{"id": found, "status": "inactive"}]})

    found = "x00"
    await first_of("filtered_page", answers)
    found = "x01"
    with pytest.raises(FatalError, match="x01 does not match"):
        await first_of("filtered_page", answers)


async def test_a_refusal_is_a_failure_with_its_reason() -> None:
    async def answers(_: Request) -> Response:
        return Response("no place", status_code=429)

    for name in ("search", "retrieve", "conversation", "filtered_page"):
        with pytest.raises(FatalError, match=re.escape("429 no place")):
            await first_of(name, answers)
