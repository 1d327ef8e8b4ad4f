import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pipeline.adapters.listener import Listener
from tests.support.raw_http import get

SECONDS_MAX = 120.0


def serving(answer: Callable[[Request], Awaitable[Response]], *, drain_seconds: float = 5.0) -> Listener:
    return Listener(Starlette(routes=[Route("/", answer)]), host="127.0.0.1", port=0, drain_seconds=drain_seconds)


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


class Held:
    """A request that is answered when it is let go."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.go = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def answer(self, _: Request) -> Response:
        self.arrived.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return PlainTextResponse("at last")


async def refused(port: int) -> None:
    """Wait until nothing listens on `port` any more."""
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                continue  # it was waiting to be accepted when the door closed
            writer.close()
            await asyncio.sleep(0.01)


async def test_port_zero_takes_a_free_one_and_tells_it() -> None:
    listener = serving(hello)
    await listener.start()
    try:
        answer = await get(listener.port, "/")
    finally:
        await listener.stop()

    assert listener.port != 0
    assert (answer.status, answer.body) == (200, b"hello")
    assert "server" not in answer.headers


async def test_a_port_in_use_is_an_error_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listener = Listener(Starlette(), host="127.0.0.1", port=taken.getsockname()[1], drain_seconds=1)
        with pytest.raises(OSError, match="in use"):
            await listener.start()
        await listener.stop()


async def test_a_request_in_flight_finishes_after_the_door_is_closed() -> None:
    held = Held()
    listener = serving(held.answer)
    await listener.start()
    request = asyncio.create_task(get(listener.port, "/"))
    await asyncio.wait_for(held.arrived.wait(), SECONDS_MAX)
    stopping = asyncio.create_task(listener.stop())

    await refused(listener.port)
    assert not stopping.done()
    held.go.set()

    assert (await request).body == b"at last"
    async with asyncio.timeout(SECONDS_MAX):
        await stopping


async def test_a_request_that_outlasts_the_drain_is_cancelled() -> None:
    held = Held()
    listener = serving(held.answer, drain_seconds=1)
    await listener.start()
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await asyncio.wait_for(held.arrived.wait(), SECONDS_MAX)

    async with asyncio.timeout(SECONDS_MAX):
        await listener.stop()
        await held.cancelled.wait()
    writer.close()


async def test_an_idle_connection_does_not_hold_up_the_end() -> None:
    listener = serving(hello, drain_seconds=60)
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"hello")

    async with asyncio.timeout(SECONDS_MAX):
        await listener.stop()
        assert await reader.read() == b""
    writer.close()


async def test_stopping_twice_or_without_a_start_does_nothing() -> None:
    listener = serving(hello)
    await listener.stop()
    await listener.start()
    await listener.stop()
    await listener.stop()


async def test_two_listeners_live_in_one_event_loop() -> None:
    listeners = [serving(hello), serving(hello)]
    for listener in listeners:
        await listener.start()
    answers = [await get(listener.port, "/") for listener in listeners]
    for listener in listeners:
        await listener.stop()

    assert [answer.status for answer in answers] == [200, 200]


async def test_no_connection_waits_for_acknowledgements_before_it_sends_on() -> None:
    """An answer is two writes, head and body: with Nagle's algorithm the second would wait for the client's 40 ms."""
    listener = serving(hello)
    await listener.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        connections = listener._server.server_state.connections
        sockets = [protocol.transport.get_extra_info("socket") for protocol in connections]
        assert [one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in sockets] == [1]
        writer.close()
    finally:
        await listener.stop()
