"""Bounds on heads, over real sockets: what the parser keeps cannot be seen otherwise."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.adapters.listener import Listener

HEAD_BYTES_MAX = 4096
HEAD_SECONDS_MAX = 1.0
PATIENCE_SECONDS = 120.0


async def echo(request: Request) -> Response:
    return Response(str(len(await request.body())))


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    listener = Listener(
        app, host="127.0.0.1", port=0, drain_seconds=1,
        head_bytes_max=HEAD_BYTES_MAX, head_seconds_max=HEAD_SECONDS_MAX,
    )  # fmt: skip
    await listener.start()
    yield listener
    await listener.stop()


async def answer_to(listener: Listener, *pieces: bytes) -> bytes:
    """Return all that comes back until the server closes; each piece is sent once the one before has been."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                return await reader.read()
            except ConnectionError:  # it closed while we were sending
                return await reader.read()
    finally:
        writer.close()


def head(*headers: bytes, path: bytes = b"/") -> bytes:
    return b"\r\n".join([b"GET " + path + b" HTTP/1.1", b"Host: x", b"Connection: close", *headers, b"", b""])


async def test_a_head_within_the_bound_is_served_whatever_the_size_of_the_body(listener: Listener) -> None:
    body = b"x" * 500_000
    request = head(b"Content-Length: %d" % len(body), b"X: " + b"y" * 3500).replace(b"GET", b"POST") + body

    assert (await answer_to(listener, request)).endswith(b"\r\n\r\n500000")


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([head(b"X: " + b"y" * 5000)], id="one long header"),
        pytest.param([head(*[b"X%d: y" % number for number in range(1000)])], id="many headers"),
        pytest.param([head(path=b"/" + b"y" * 5000)], id="a long path"),
        pytest.param([head()[:-4] + b"\r\nX: " + b"y" * 200, *[b"y" * 1000] * 4], id="a header without an end"),
        pytest.param([b"GET /yyyyyyyyy" + b"y" * 100, *[b"y" * 1000] * 4], id="a path without an end"),
    ],
)
async def test_a_larger_head_is_a_431_and_the_end_of_the_connection(listener: Listener, pieces: list[bytes]) -> None:
    assert (await answer_to(listener, *pieces)).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost:", head().replace(b"close", b"keep-alive") + b"GET /"])
async def test_who_does_not_come_to_the_end_of_its_head_is_a_408(listener: Listener, begun: bytes) -> None:
    assert b"HTTP/1.1 408 " in await answer_to(listener, begun)


async def test_what_is_no_http_is_still_a_400(listener: Listener) -> None:
    assert (await answer_to(listener, b"no http at all\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_while_many_are_slow_the_others_are_served(listener: Listener) -> None:
    slow = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(200)]
    for _, writer in slow:
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n")

    assert (await answer_to(listener, head())).startswith(b"HTTP/1.1 200 ")
    for _, writer in slow:
        writer.close()
