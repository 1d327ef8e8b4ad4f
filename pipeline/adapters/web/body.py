"""Request bodies, whole and bounded: read, and inflated where they came compressed.

The bound is on what a body is after inflation, and it is kept while inflating: the SDKs' bodies compress up to 1:960,
so the size on the wire says little. It is bounded all the same, since there are streams that inflate to nothing.
"""

import asyncio
import sys
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

from starlette.requests import Request

from pipeline.adapters.telemetry.metrics import GATEWAY_REQUEST_BYTES
from pipeline.adapters.web.budget import ByteBudget, Hold
from pipeline.errors import Malformed, TimedOut, TooLarge

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP_WINDOW_BITS: Final = 31  # zlib's way to say: the gzip format
_PIECE_BYTES_MAX: Final = 1024 * 1024
_ZSTD_WINDOW_LOG_MAX: Final = 23
"""A window of 8 MiB, the most that a decoder must take (RFC 8878, 3.1.1.1.2); it is memory outside our budget."""


class _Sink(Protocol):
    """Takes a body as it comes, in pieces."""

    def feed(self, chunk: bytes) -> None:
        """Take the next piece."""

    def end(self) -> bytes:
        """Return the whole body."""


class _Identity:
    """A body that came as it is."""

    def __init__(self, bytes_max: int, hold: Hold) -> None:
        self._bytes_max: Final = bytes_max
        self._hold: Final = hold
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next piece; raises TooLarge beyond the bound and Overloaded beyond the budget."""
        self._size += len(chunk)
        if self._size > self._bytes_max:
            raise _too_large(self._bytes_max)
        self._hold.add(len(chunk))
        self._pieces.append(chunk)

    def end(self) -> bytes:
        """Return the whole body, and keep nothing of it: the pieces would be a second copy that nobody counts."""
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _Gzip:
    """A body in gzip: one member or, as RFC 1952 allows, several in a row."""

    def __init__(self, inflated: _Identity) -> None:
        self._inflated: Final = inflated
        self._member = zlib.decompressobj(_GZIP_WINDOW_BITS)

    def feed(self, chunk: bytes) -> None:
        """Take the next compressed piece; raises Malformed where it is not gzip."""
        try:
            while chunk:
                if self._member.eof:
                    self._member = zlib.decompressobj(_GZIP_WINDOW_BITS)
                self._inflated.feed(self._member.decompress(chunk, _PIECE_BYTES_MAX))
                chunk = self._member.unconsumed_tail or self._member.unused_data
        except zlib.error as error:
            raise Malformed(f"the body is not the gzip that Content-Encoding says: {error}", field="body") from error

    def end(self) -> bytes:
        """Return the whole inflated body; raises Malformed where the stream was cut."""
        if not self._member.eof:
            raise Malformed("the gzip of the body ends too early", field="body")
        return self._inflated.end()


class _Zstd:
    """A body in zstd: one frame or, as RFC 8878 allows, several in a row."""

    def __init__(self, inflated: _Identity) -> None:
        self._inflated: Final = inflated
        self._frame = _zstd_frame()

    def feed(self, chunk: bytes) -> None:
        """Take the next compressed piece; raises Malformed where it is not zstd, or needs a larger window."""
        try:
            while chunk:
                if self._frame.eof:
                    self._frame = _zstd_frame()
                self._inflated.feed(self._frame.decompress(chunk, _PIECE_BYTES_MAX))
                while not (self._frame.needs_input or self._frame.eof):
                    self._inflated.feed(self._frame.decompress(b"", _PIECE_BYTES_MAX))
                chunk = self._frame.unused_data if self._frame.eof else b""
        except zstd.ZstdError as error:
            raise Malformed(f"the body is not the zstd that Content-Encoding says: {error}", field="body") from error

    def end(self) -> bytes:
        """Return the whole inflated body; raises Malformed where the stream was cut."""
        if not self._frame.eof:
            raise Malformed("the zstd of the body ends too early", field="body")
        return self._inflated.end()


def _zstd_frame() -> zstd.ZstdDecompressor:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG_MAX})


@asynccontextmanager
async def body_of(
    request: Request,
    *,
    budget: ByteBudget,
    bytes_max: int,
    workspace: str | None = None,
    idle_seconds_max: float = 30.0,
    seconds_max: float = 300.0,
) -> AsyncIterator[bytes]:
    """Read the body of `request`, inflated, and count it against `budget`, for `workspace`, until the block is left.

    Raises Malformed for a broken or unknown compression, TooLarge where it has more than `bytes_max`, inflated or as it
    comes, and Overloaded beyond the budget; TimedOut where for `idle_seconds_max` nothing more comes, or its end not
    within `seconds_max`: what is held for a body must not be held for ever, nor for a byte now and then.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > bytes_max:
        raise _too_large(bytes_max)
    with budget.hold(workspace) as hold:
        sink = _sink_for(request.headers.get("content-encoding", ""), _Identity(bytes_max, hold))
        async with _in_time(idle_seconds_max, seconds_max) as is_alive:
            received = 0
            async for chunk in request.stream():
                is_alive()
                received += len(chunk)
                if received > bytes_max:
                    raise _too_large(bytes_max)
                sink.feed(chunk)
        body = sink.end()
        GATEWAY_REQUEST_BYTES.observe(len(body))
        yield body


@asynccontextmanager
async def _in_time(idle_seconds_max: float, seconds_max: float) -> AsyncIterator[Callable[[], None]]:
    """Yield what is to be called whenever something came; raises TimedOut where it is not, or for too long."""
    clock = asyncio.get_running_loop()
    until = clock.time() + seconds_max
    try:
        async with asyncio.timeout_at(min(until, clock.time() + idle_seconds_max)) as patience:
            yield lambda: patience.reschedule(min(until, clock.time() + idle_seconds_max))
    except TimeoutError as error:
        if clock.time() >= until:
            raise TimedOut(f"the body did not end within {seconds_max:g} s", field="body") from error
        raise TimedOut(f"of the body nothing came for {idle_seconds_max:g} s", field="body") from error


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(f"the body is larger than {bytes_max:,} bytes", field="body")


def _sink_for(encoding: str, identity: _Identity) -> _Sink:
    match encoding.strip().lower():
        case "" | "identity":
            return identity
        case "gzip" | "x-gzip":
            return _Gzip(identity)
        case "zstd":
            return _Zstd(identity)
    raise Malformed(
        f"Content-Encoding {encoding[:40]!r} is not taken; send gzip, zstd or identity", field="Content-Encoding"
    )
