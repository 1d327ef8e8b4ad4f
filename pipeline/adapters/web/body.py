"""Request bodies, whole and bounded: read, and inflated where they came compressed.

The bound is on what a body is after inflation, and it is kept while inflating: the SDKs' bodies compress up to 1:960,
so the size on the wire says nothing.
"""

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

from starlette.requests import Request

from pipeline.adapters.telemetry.metrics import GATEWAY_REQUEST_BYTES
from pipeline.adapters.web.budget import ByteBudget, Hold
from pipeline.errors import Malformed, TooLarge

_GZIP_WINDOW_BITS: Final = 31  # zlib's way to say: the gzip format
_PIECE_BYTES_MAX: Final = 1024 * 1024


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
        self._pieces: Final[list[bytes]] = []
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next piece; raises TooLarge beyond the bound and Overloaded beyond the budget."""
        self._size += len(chunk)
        if self._size > self._bytes_max:
            raise TooLarge(f"the body is larger than {self._bytes_max:,} bytes", field="body")
        self._hold.add(len(chunk))
        self._pieces.append(chunk)

    def end(self) -> bytes:
        """Return the whole body."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


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


@asynccontextmanager
async def body_of(
    request: Request, *, budget: ByteBudget, bytes_max: int, workspace: str | None = None
) -> AsyncIterator[bytes]:
    """Read the body of `request`, inflated, and count it against `budget`, for `workspace`, until the block is left.

    Raises Malformed for a broken or unknown compression, TooLarge beyond `bytes_max` and Overloaded beyond the budget.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > bytes_max:
        raise TooLarge(f"the body is larger than {bytes_max:,} bytes", field="body")
    with budget.hold(workspace) as hold:
        sink = _sink_for(request.headers.get("content-encoding", ""), _Identity(bytes_max, hold))
        async for chunk in request.stream():
            sink.feed(chunk)
        body = sink.end()
        GATEWAY_REQUEST_BYTES.observe(len(body))
        yield body


def _sink_for(encoding: str, identity: _Identity) -> _Sink:
    match encoding.strip().lower():
        case "" | "identity":
            return identity
        case "gzip" | "x-gzip":
            return _Gzip(identity)
    raise Malformed(f"Content-Encoding {encoding[:40]!r} is not taken; send gzip or identity", field="Content-Encoding")
