"""Clients that mean harm, or do not know better: they hold connections, and send what never ends or grows."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from tests.fault.gateway_load import BATCH

MEGABYTE: Final = 1024 * 1024
SILENT: Final = b""
"""What an idle connection has sent."""
_HEAD: Final = f"POST {BATCH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HEAD_BEGUN: Final = _HEAD.encode() + b"X-Slow: "
BODY_BEGUN: Final = f"{_HEAD}Content-Length: 100000\r\n\r\n".encode() + b'{"traces": ['
_OPENING_AT_ONCE: Final = 200


@asynccontextmanager
async def held(port: int, count: int, first_bytes: bytes) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """Hold `count` connections on which nothing came but `first_bytes`."""
    opening = asyncio.Semaphore(_OPENING_AT_ONCE)

    async def connect() -> asyncio.StreamWriter:
        async with opening:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(first_bytes)
            return writer

    writers = await asyncio.gather(*(connect() for _ in range(count)))
    try:
        yield writers
    finally:
        for writer in writers:
            writer.close()


async def dribble(writers: list[asyncio.StreamWriter], stop: asyncio.Event, *, every_seconds: float = 0.2) -> None:
    """Send one byte more on each connection, again and again, as slow-loris does; the server may have closed some."""
    while not stop.is_set():
        for writer in writers:
            if not writer.is_closing():
                writer.write(b"x")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every_seconds)


async def send_endless(port: int, megabytes: int) -> int:
    """Send a body in chunks, without saying how long it will be, and return the status of the answer."""
    piece = b" " * MEGABYTE
    chunk = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.create_task(reader.readline())
    try:
        writer.write(f"{_HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        with suppress(ConnectionError):  # whoever has answered need not read on
            for _ in range(megabytes):
                writer.write(chunk)
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        return int((await answer).split()[1])
    finally:
        writer.close()


def bomb(megabytes: int) -> bytes:
    """Return so many megabytes of spaces in gzip: a thousandth of that."""
    return gzip.compress(b" " * (megabytes * MEGABYTE), 9)
