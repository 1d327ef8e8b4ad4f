"""The least of an HTTP client: what is sent and received stands here, byte for byte."""

import asyncio
from typing import NamedTuple

SECONDS_MAX = 120.0


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


async def get(port: int, path: str) -> Answer:
    """GET `path` from 127.0.0.1:`port` over a connection of its own."""
    async with asyncio.timeout(SECONDS_MAX):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return parse(await reader.read())
        finally:
            writer.close()
            await writer.wait_closed()


def parse(answer: bytes) -> Answer:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in headers)
    return Answer(int(status.split()[1]), {name.lower(): value for name, value in pairs}, body)
