import gzip
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pipeline.adapters.clock import SystemClock
from pipeline.commands.bench.http_load import Clients
from pipeline.commands.bench.requests import PATH, Request
from pipeline.errors import FatalError

REQUESTS = [Request(gzip.compress(b"{}"), traces, "", "") for traces in (1, 2, 3, 4)]
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
            return web.Response(status=status_of(count), headers={"Retry-After": "0"})

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

    async with Clients(url, SystemClock(), connections=1, workspace="bench") as clients:
        answers = await clients.drive(iter(REQUESTS))

    assert (answers.statuses, answers.traces_taken, len(answers.seconds)) == ({204: 2, 429: 2}, 1 + 3, 2)


async def test_a_paced_request_is_sent_once_however_it_is_answered(
    serve: Callable[[Answering], Awaitable[str]],
) -> None:
    url = await serve(lambda count: 204 if count == 1 else 429)

    async with Clients(url, SystemClock(), connections=1, workspace="bench") as clients:
        answers = await clients.pace(REQUESTS, per_second=100)

    assert (answers.statuses, answers.traces_taken) == ({204: 1, 429: 3}, 1)


async def test_a_request_to_be_delivered_is_due_at_its_time_and_sent_until_it_is_taken(
    serve: Callable[[Answering], Awaitable[str]],
) -> None:
    url = await serve(lambda count: 429 if count in {1, 3} else 204)
    due: list[tuple[int, float]] = []

    async with Clients(url, SystemClock(), connections=1, workspace="bench") as clients:
        answers = await clients.deliver(
            REQUESTS, per_second=100, on_due=lambda request, due_at: due.append((request.traces, due_at))
        )

    assert (answers.statuses, answers.traces_taken) == ({204: 4, 429: 2}, 1 + 2 + 3 + 4)
    assert [traces for traces, _ in due] == [1, 2, 3, 4]
    assert [at - due[0][1] for _, at in due] == pytest.approx([0, 0.01, 0.02, 0.03])


@pytest.mark.parametrize("status", [400, 500])
async def test_any_other_answer_ends_the_run(serve: Callable[[Answering], Awaitable[str]], status: int) -> None:
    url = await serve(lambda _: status)

    async with Clients(url, SystemClock(), connections=2, workspace="bench") as clients:
        with pytest.raises(FatalError, match=f"the gateway answers {status}"):
            await clients.drive(iter(REQUESTS))
        with pytest.raises(FatalError, match=f"the gateway answers {status}"):
            await clients.deliver(REQUESTS[:1], per_second=100, on_due=lambda _request, _due_at: None)
