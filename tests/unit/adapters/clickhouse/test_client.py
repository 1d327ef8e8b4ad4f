"""What reaches a server over TLS, one that is none of ClickHouse, and what the client makes of failures."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from pipeline.adapters.clickhouse.client import ClickHouse, _sorted_failures
from pipeline.errors import InvalidSettings, StorageUnavailable, ThreadlineError
from pipeline.settings import ClickHouseSettings
from tests.support.certificates import Certificates, make_certificates

REFUSAL = b"HTTP/1.1 500 no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Door(NamedTuple):
    """A server that notes the heads of requests and refuses them."""

    port: int
    certificates: Certificates
    heads: list[bytes]

    def client(self, **settings: Any) -> ClickHouse:
        return ClickHouse(ClickHouseSettings(port=self.port, connect_timeout_seconds=5, **settings))


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    certificates = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    heads: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(REFUSAL)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0, ssl=context)
    yield Door(server.sockets[0].getsockname()[1], certificates, heads)
    server.close()


async def test_over_tls_it_comes_to_a_server_that_our_authority_signed(door: Door) -> None:
    async with door.client(tls=True, tls_ca_file=door.certificates.authority) as client:
        with pytest.raises(ThreadlineError):
            await client.start()

    assert door.heads
    assert door.heads[0].startswith((b"POST /", b"GET /"))


async def test_nothing_is_said_to_a_server_that_nobody_signed(door: Door) -> None:
    async with door.client(tls=True) as client:
        with pytest.raises(ThreadlineError):
            await client.start()

    assert door.heads == []


async def test_the_password_of_a_file_is_what_is_sent(door: Door, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("from-a-file\n")
    settings = {"tls": True, "tls_ca_file": door.certificates.authority, "password": "other", "password_file": path}
    async with door.client(**settings) as client:
        with pytest.raises(ThreadlineError):
            await client.start()

    assert b"ZGVmYXVsdDpmcm9tLWEtZmlsZQ==" in door.heads[0]  # default:from-a-file, in base64


async def test_a_password_file_that_is_not_there_is_said(door: Door, tmp_path: Path) -> None:
    async with door.client(password_file=tmp_path / "none") as client:
        with pytest.raises(InvalidSettings, match="THREADLINE_CLICKHOUSE_PASSWORD_FILE"):
            await client.start()


async def test_a_failure_of_the_connection_is_one_of_storage() -> None:
    with pytest.raises(StorageUnavailable, match="gone"), _sorted_failures():
        raise aiohttp.ClientError("gone")


async def test_a_cancellation_that_the_library_says_as_a_failure_stays_one() -> None:
    waits = asyncio.Event()

    async def ask() -> None:
        with _sorted_failures():
            try:
                waits.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                raise aiohttp.ClientError("gone") from error

    asking = asyncio.create_task(ask())
    await waits.wait()
    asking.cancel()

    await asyncio.wait([asking])
    assert asking.cancelled()
