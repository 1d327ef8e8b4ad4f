import gzip
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pipeline.adapters.clock import SystemClock
from pipeline.commands.bench.http_load import drive
from pipeline.commands.bench.requests import PATH, Request
from pipeline.errors import FatalError

REQUESTS = [Request(gzip.compress(b"{}"), traces, "") for traces in (1, 2, 3, 4)]
Answering = Callable[[int], int]


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Answering], Awaitable[str]]]:
    servers: list[TestServer] = []

    async def start(status_of: Answering) -> str:
        count = 0

        async def answer(request: web.Request) -> web.Response:
            nonlocal count
            count += 1
            assert request.headers["Comet-Workspace"] == "bench"
            return web.Response(status=status_of(count))

        app = web.Application()
        app.router.add_post(PATH, answer)
        server = TestServer(app)
        servers.append(server)
        await server.start_server()
        return str(server.make_url("")).rstrip("/")

    yield start
    for server in servers:
        await server.close()


async def test_what_was_taken_is_counted_and_what_was_refused_for_want_of_room_is_not(
    serve: Callable[[Answering], Awaitable[str]],
) -> None:
    url = await serve(lambda count: 204 if count % 2 else 429)

    answers = await drive(url, iter(REQUESTS), SystemClock(), connections=1, workspace="bench")

    assert (answers.statuses, answers.traces_taken, len(answers.seconds)) == ({204: 2, 429: 2}, 1 + 3, 2)


async def test_any_other_answer_ends_the_run(serve: Callable[[Answering], Awaitable[str]]) -> None:
    url = await serve(lambda _: 500)

    with pytest.raises(FatalError, match="the gateway answers 500"):
        await drive(url, iter(REQUESTS), SystemClock(), connections=2, workspace="bench")
