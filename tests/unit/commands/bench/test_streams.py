import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.listener import Listener
from pipeline.commands.bench.archive import Archive
from pipeline.commands.bench.our_gateway import RunningGateway
from pipeline.commands.bench.streams import Flow, Streams
from pipeline.errors import FatalError

ARCHIVE = Archive(20_000)
WANTED = 4000
HELD = 4500


async def measured(searched: Callable[[Request], Awaitable[Response]], exported: bytes = b"") -> dict[str, Flow]:
    """Measure a server that answers so."""

    async def in_pieces() -> AsyncIterator[bytes]:
        for begin in range(0, len(exported), 1000):
            yield exported[begin : begin + 1000]

    async def export(_: Request) -> Response:
        return StreamingResponse(in_pieces())

    routes = [Route("/{path:path}", searched, methods=["POST"]), Route("/{path:path}", export, methods=["GET"])]
    listener = Listener(Starlette(routes=routes), host="127.0.0.1", port=0, drain_seconds=1)
    await listener.start()
    try:
        async with aiohttp.ClientSession() as session:
            served = RunningGateway(f"http://127.0.0.1:{listener.port}", [os.getpid()])
            return await Streams(session, served, ARCHIVE, SystemClock()).measured()
    finally:
        await listener.stop()


def paged(held: int) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        body = await request.json()
        first = int(body.get("last_retrieved_id", held))
        numbers = range(first - 1, max(-1, first - 1 - body["limit"]), -1)
        return Response("".join(f'{{"id":"{number}"}}\n' for number in numbers))

    return answer


async def test_long_reads_go_on_from_the_last_id_until_enough_was_read() -> None:
    turn = {"id": "x", "thread_id": "t", "thread_model_id": "m"}
    exported = json.dumps({"id": "t", "traces": [turn] * HELD}, separators=(",", ":")).encode()

    found = await measured(paged(HELD), exported)

    assert found["stream"].traces == WANTED
    assert WANTED <= found["export"].traces <= HELD
    assert all(flow.per_s > 0 and flow.grown_mib >= 0 for flow in found.values())


async def test_a_long_read_that_ends_early_is_no_measurement() -> None:
    with pytest.raises(FatalError, match="after 3,000 of 4,000"):
        await measured(paged(3000))


async def test_a_refusal_is_a_failure() -> None:
    async def answer(_: Request) -> Response:
        return Response("no place", status_code=429)

    with pytest.raises(FatalError, match="429"):
        await measured(answer)
