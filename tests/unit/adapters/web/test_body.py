import asyncio
import gzip
import sys
import zlib
from collections.abc import Callable

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from pipeline.adapters.web.body import body_of
from pipeline.adapters.web.budget import ByteBudget
from pipeline.errors import Malformed, Overloaded, TimedOut, TooLarge
from tests.support.asgi import request_of, scope_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BODY = bytes(range(256)) * 40
GZIP = {"Content-Encoding": "gzip"}
ZSTD = {"Content-Encoding": "zstd"}
PACKED = gzip.compress(BODY)
PACKED_ZSTD = zstd.compress(BODY)


def in_pieces(body: bytes, size: int) -> list[bytes]:
    return [body[begin : begin + size] for begin in range(0, len(body), size)]


def dribbling(chunk: bytes, *, every_seconds: float) -> Receive:
    """Return what hands over `chunk` again and again, and never an end."""

    async def receive() -> Message:
        await asyncio.sleep(every_seconds)
        return {"type": "http.request", "body": chunk, "more_body": True}

    return receive


def stalling(chunks: list[bytes]) -> Receive:
    """Return what hands over `chunks`, and then neither more nor an end."""
    left = iter(chunks)

    async def receive() -> Message:
        for chunk in left:
            return {"type": "http.request", "body": chunk, "more_body": True}
        return await asyncio.Future()

    return receive


async def read(
    chunks: list[bytes], headers: dict[str, str] | None = None, *, bytes_max: int = 1 << 20, budget_bytes: int = 1 << 30
) -> bytes:
    budget = ByteBudget(budget_bytes, retry_after_seconds=1)
    try:
        async with body_of(request_of(chunks, headers), budget=budget, bytes_max=bytes_max) as body:
            assert budget.used == len(body)
            return body
    finally:
        assert budget.used == 0


@pytest.mark.parametrize(
    ("chunks", "headers"),
    [
        pytest.param([BODY], {}, id="plain"),
        pytest.param(in_pieces(BODY, 7), {}, id="plain in pieces"),
        pytest.param([BODY], {"Content-Encoding": "identity"}, id="identity"),
        pytest.param([PACKED], GZIP, id="gzip"),
        pytest.param([PACKED], {"Content-Encoding": " X-GZIP "}, id="its old name"),
        pytest.param(in_pieces(PACKED, 1), GZIP, id="gzip byte by byte"),
        pytest.param([gzip.compress(BODY[:5000]) + gzip.compress(BODY[5000:])], GZIP, id="two members"),
        pytest.param([PACKED_ZSTD], ZSTD, id="zstd"),
        pytest.param(in_pieces(PACKED_ZSTD, 1), ZSTD, id="zstd byte by byte"),
        pytest.param([zstd.compress(BODY[:5000]) + zstd.compress(BODY[5000:])], ZSTD, id="two frames"),
        pytest.param(in_pieces(gzip.compress(BODY[:5000]) + gzip.compress(BODY[5000:]), 3), GZIP, id="in pieces"),
    ],
)
async def test_a_body_is_the_same_however_it_came(chunks: list[bytes], headers: dict[str, str]) -> None:
    assert await read(chunks, headers) == BODY


async def test_more_than_one_piece_of_inflated_bytes_comes_out_whole() -> None:
    body = b"a" * (5 * 1024 * 1024 + 17)

    assert await read([gzip.compress(body)], GZIP, bytes_max=len(body)) == body
    assert await read([zstd.compress(body)], ZSTD, bytes_max=len(body)) == body


async def test_no_body_is_an_empty_body() -> None:
    assert await read([]) == b""


@pytest.mark.parametrize(
    ("chunks", "headers"),
    [
        pytest.param([PACKED[:-9]], GZIP, id="cut"),
        pytest.param([], GZIP, id="nothing at all"),
        pytest.param([b"{}"], GZIP, id="not gzip"),
        pytest.param([PACKED[:40] + b"\xff" * 40], GZIP, id="broken inside"),
        pytest.param([PACKED[:-8] + b"\0" * 8], GZIP, id="wrong checksum"),
        pytest.param([PACKED + b"rest"], GZIP, id="something after it"),
        pytest.param([zlib.compress(BODY)], GZIP, id="zlib under the name of gzip"),
        pytest.param([BODY], {"Content-Encoding": "br"}, id="a compression that we do not have"),
        pytest.param([PACKED], {"Content-Encoding": "gzip, gzip"}, id="two compressions"),
    ],
)
async def test_a_body_that_cannot_be_inflated_is_refused(chunks: list[bytes], headers: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        await read(chunks, headers)


@pytest.mark.parametrize(
    ("chunks", "headers"),
    [
        pytest.param([b"a" * 1001], {}, id="plain"),
        pytest.param([b"a" * 500] * 3, {}, id="in pieces"),
        pytest.param([gzip.compress(b"a" * 1001)], GZIP, id="inflated"),
        pytest.param([gzip.compress(b"a" * 50_000_000)], GZIP, id="a bomb"),
        pytest.param([], {"Content-Length": "1001"}, id="announced"),
    ],
)
async def test_a_body_over_the_bound_is_refused(chunks: list[bytes], headers: dict[str, str]) -> None:
    with pytest.raises(TooLarge, match=r"larger than 1,000 bytes"):
        await read(chunks, headers, bytes_max=1000)


async def test_a_body_of_exactly_the_bound_is_taken() -> None:
    assert await read([gzip.compress(b"a" * 1000)], GZIP, bytes_max=1000) == b"a" * 1000


@pytest.mark.parametrize(("pack", "headers"), [(gzip.compress, GZIP), (zstd.compress, ZSTD)])
async def test_a_bomb_is_never_inflated_beyond_the_bound(
    pack: Callable[[bytes], bytes], headers: dict[str, str]
) -> None:
    taken: list[int] = []

    class Recording(ByteBudget):
        def take(self, size: int, workspace: str | None = None, *, share_max: float = 1.0) -> None:
            super().take(size, workspace, share_max=share_max)
            taken.append(self.used)

    bomb = pack(b"\0" * 200_000_000)

    with pytest.raises(TooLarge):
        async with body_of(
            request_of([bomb], headers), budget=Recording(1 << 30, retry_after_seconds=1), bytes_max=3 << 20
        ):
            pass

    assert max(taken) == 3 << 20


async def test_a_body_that_the_budget_does_not_have_is_told_to_come_back() -> None:
    with pytest.raises(Overloaded):
        await read([b"a" * 900, b"a" * 200], budget_bytes=1000)


async def test_a_window_larger_than_decoders_must_take_is_refused() -> None:
    wide = zstd.compress(b"a" * 100, options={zstd.CompressionParameter.window_log: 27})
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    streamed = packer.compress(b"a" * 100) + packer.flush()  # does not know its size, and so claims its whole window

    assert await read([wide], ZSTD) == b"a" * 100
    with pytest.raises(Malformed, match="zstd"):
        await read([streamed], ZSTD)


@pytest.mark.parametrize("body", [b"", b"no zstd", PACKED_ZSTD[:-3], PACKED_ZSTD + b"x"])
async def test_what_is_no_zstd_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="zstd"):
        await read([body], ZSTD)


async def test_a_body_that_stops_coming_is_given_up_and_its_bytes_are_given_back() -> None:
    budget = ByteBudget(1 << 20, retry_after_seconds=1)
    request = Request(scope_of(), stalling([b"abc"]))

    with pytest.raises(TimedOut, match=r"nothing came for 0.05 s"):
        async with body_of(request, budget=budget, bytes_max=1000, idle_seconds_max=0.05):
            pass

    assert budget.used == 0


async def test_a_body_that_comes_byte_by_byte_is_given_up_although_it_never_stops() -> None:
    budget = ByteBudget(1 << 20, retry_after_seconds=1)
    request = Request(scope_of(), dribbling(b"a", every_seconds=0.001))

    with pytest.raises(TimedOut, match=r"did not end within 0.1 s"):
        async with body_of(request, budget=budget, bytes_max=1 << 20, idle_seconds_max=60, seconds_max=0.1):
            pass

    assert budget.used == 0


@pytest.mark.parametrize(
    ("chunk", "headers"),
    [
        pytest.param(gzip.compress(b"") * 1000, GZIP, id="gzip"),
        pytest.param(zstd.compress(b"") * 1000, ZSTD, id="zstd"),
        pytest.param(b"\x50\x2a\x4d\x18\xff\xff\xff\x7f" + b"x" * 20_000, ZSTD, id="a frame to be skipped"),
    ],
)
async def test_a_stream_that_inflates_to_nothing_ends_at_the_bound_too(chunk: bytes, headers: dict[str, str]) -> None:
    request = Request(scope_of(headers=headers), dribbling(chunk, every_seconds=0))

    with pytest.raises(TooLarge, match=r"larger than 100,000 bytes"):
        async with (
            asyncio.timeout(60),
            body_of(request, budget=ByteBudget(1 << 20, retry_after_seconds=1), bytes_max=100_000),
        ):
            pass


async def test_a_client_that_leaves_gives_its_bytes_back() -> None:
    budget = ByteBudget(1 << 20, retry_after_seconds=1)

    with pytest.raises(ClientDisconnect):
        async with body_of(request_of([b"abc"], client_leaves=True), budget=budget, bytes_max=1000):
            pass

    assert budget.used == 0
