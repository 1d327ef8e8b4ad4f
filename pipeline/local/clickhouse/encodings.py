"""The compressions of HTTP bodies that ClickHouse clients use: every frame read, one frame written.

clickhouse-connect compresses each block of an insert as a frame of its own; reading only the first one would lose the
others in silence, and a cut-off last frame must be an error.
"""

import importlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import lz4.frame  # type: ignore[import-untyped]

from pipeline.local.clickhouse.failures import CANNOT_DECOMPRESS, UNKNOWN_COMPRESSION_METHOD, QueryFailed

_GZIP_WINDOW: Final = 31  # zlib's 15 bits of window + 16 for the gzip header
_LEVEL: Final = 3  # ClickHouse's http_zlib_compression_level


class _Decoder(Protocol):
    """One frame: bytes in, bytes out, until `eof`; what follows the frame is in `unused_data`."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, piece: bytes, /) -> bytes: ...


class Encoder(Protocol):
    """One frame, written piece by piece."""

    def compress(self, piece: bytes, /) -> bytes:
        """Return what is ready after `piece`, possibly nothing."""

    def flush(self) -> bytes:
        """Return the end of the frame."""


class _Lz4Encoder:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._head: bytes = self._frame.begin()

    def compress(self, piece: bytes, /) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._frame.compress(piece))

    def flush(self) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._frame.flush())


def _zstd() -> Any:
    """Return the zstd module of clickhouse-connect's own dependency (the standard library's from Python 3.14 on)."""
    try:
        return importlib.import_module("compression.zstd")
    except ModuleNotFoundError:
        return importlib.import_module("backports.zstd")


_DECODERS: Final[dict[str, Callable[[], _Decoder]]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": lambda: _zstd().ZstdDecompressor(),
    "gzip": lambda: zlib.decompressobj(wbits=_GZIP_WINDOW),
    "deflate": zlib.decompressobj,
}
_ENCODERS: Final[dict[str, Callable[[], Encoder]]] = {
    "lz4": _Lz4Encoder,
    "zstd": lambda: _zstd().ZstdCompressor(),
    "gzip": lambda: zlib.compressobj(level=_LEVEL, wbits=_GZIP_WINDOW),
    "deflate": lambda: zlib.compressobj(level=_LEVEL),
}
_FAULTS: Final = (RuntimeError, EOFError, ValueError, zlib.error)


def decoded(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the content of all frames of a body.

    Raises QueryFailed: UNKNOWN_COMPRESSION_METHOD for an encoding we do not have, CANNOT_DECOMPRESS for a body that is
    damaged or ends within a frame.
    """
    if encoding in {"", "identity"}:
        return pieces
    if encoding == "br":
        return _decoded_brotli(pieces)
    if encoding not in _DECODERS:
        raise QueryFailed(UNKNOWN_COMPRESSION_METHOD, "UNKNOWN_COMPRESSION_METHOD", f"Content-Encoding {encoding!r}")
    return _frames(pieces, encoding)


def _frames(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder: _Decoder | None = None
    try:
        for piece in pieces:
            rest = piece
            while rest:
                decoder = decoder or _DECODERS[encoding]()
                content = decoder.decompress(rest)
                if content:
                    yield content
                if not decoder.eof:
                    break
                rest = decoder.unused_data or b""
                decoder = None
    except _FAULTS as fault:
        raise _damaged(encoding, str(fault)) from fault
    except Exception as fault:
        # zstd's error has no name without importing its module; anything else is not ours to hide.
        if type(fault).__name__ != "ZstdError":
            raise
        raise _damaged(encoding, str(fault)) from fault
    if decoder is not None:
        raise _damaged(encoding, "the body ends within a frame")


def _decoded_brotli(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Decode brotli, whose streams carry no mark of their end that a second one could follow: one stream a body."""
    try:
        brotli = importlib.import_module("brotli")
    except ModuleNotFoundError as absent:
        raise QueryFailed(
            UNKNOWN_COMPRESSION_METHOD, "UNKNOWN_COMPRESSION_METHOD", "Content-Encoding 'br': brotli is not installed"
        ) from absent
    decoder = brotli.Decompressor()
    try:
        for piece in pieces:
            yield decoder.process(piece)
    except brotli.error as fault:
        raise _damaged("br", str(fault)) from fault
    if not decoder.is_finished():
        raise _damaged("br", "the body ends within a stream")


def _damaged(encoding: str, reason: str) -> QueryFailed:
    return QueryFailed(
        CANNOT_DECOMPRESS, "CANNOT_DECOMPRESS", f"Cannot decompress the request body ({encoding}): {reason}"
    )


def chosen_encoding(accept_encoding: str) -> str:
    """Return the first encoding of an Accept-Encoding header that we can write, else an empty string."""
    for offer in accept_encoding.split(","):
        name = offer.partition(";")[0].strip().lower()
        if name in _ENCODERS:
            return name
    return ""


def encoder(encoding: str) -> Encoder:
    """Return an encoder for a name that `chosen_encoding` gave."""
    return _ENCODERS[encoding]()
