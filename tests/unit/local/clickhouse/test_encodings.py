import importlib
import zlib
from collections.abc import Callable, Iterator

import lz4.frame
import pytest

from pipeline.local.clickhouse.encodings import chosen_encoding, decoded, encoder
from pipeline.local.clickhouse.failures import QueryFailed

BLOCKS = [b"first " * 5000, b"", b"second", b"third" * 70_000]


def frame(encoding: str, block: bytes) -> bytes:
    compress: dict[str, Callable[[bytes], bytes]] = {
        "lz4": lz4.frame.compress,
        "zstd": importlib.import_module("clickhouse_connect.driver.compression")._zstd_compress,
        "gzip": lambda content: zlib.compress(content, wbits=31),
        "deflate": zlib.compress,
    }
    return compress[encoding](block)


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


@pytest.mark.parametrize("size", [1, 7, 1000, 10_000_000])
@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip", "deflate"])
def test_every_frame_of_a_body_is_read_however_it_arrives(encoding: str, size: int) -> None:
    body = b"".join(frame(encoding, block) for block in BLOCKS)

    assert b"".join(decoded(pieces(body, size), encoding)) == b"".join(BLOCKS)


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip", "deflate"])
def test_a_body_that_ends_within_a_frame_is_an_error(encoding: str) -> None:
    body = frame(encoding, BLOCKS[0]) + frame(encoding, BLOCKS[3])[:-5]

    with pytest.raises(QueryFailed, match="Code: 271"):
        b"".join(decoded(pieces(body, 1000), encoding))


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip", "deflate"])
def test_bytes_that_are_no_frame_are_an_error(encoding: str) -> None:
    with pytest.raises(QueryFailed, match="Code: 271"):
        b"".join(decoded(iter([frame(encoding, b"good") + b"not a frame at all, not at all"]), encoding))


def test_an_encoding_that_is_not_known_is_refused() -> None:
    with pytest.raises(QueryFailed, match="Code: 89"):
        b"".join(decoded(iter([b"x"]), "snappy"))


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip", "deflate"])
def test_an_answer_is_one_frame(encoding: str) -> None:
    writer = encoder(encoding)
    body = b"".join([*(writer.compress(block) for block in BLOCKS), writer.flush()])

    assert b"".join(decoded(iter([body]), encoding)) == b"".join(BLOCKS)


@pytest.mark.parametrize(
    ("header", "chosen"),
    [("lz4,zstd,gzip", "lz4"), ("br, zstd;q=0.9", "zstd"), ("br", ""), ("", ""), ("GZIP", "gzip"), ("identity", "")],
)
def test_the_first_encoding_that_both_know_is_chosen(header: str, chosen: str) -> None:
    assert chosen_encoding(header) == chosen
