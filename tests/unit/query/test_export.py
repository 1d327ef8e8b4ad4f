import json
from collections.abc import AsyncIterator

from pipeline.query.export import JsonLines, written
from pipeline.query.rows import Thread, Trace
from tests.support.conversations import a_thread, a_trace

Piece = Thread | list[Trace]


async def one_by_one(*pieces: Piece) -> AsyncIterator[Piece]:
    for piece in pieces:
        yield piece


async def test_each_conversation_is_one_line_however_many_pieces_it_comes_in() -> None:
    pieces = one_by_one(
        a_thread(0),
        [a_trace(1, input='{"a" :1}')],
        [],
        [a_trace(2), a_trace(3)],
        a_thread(1),
        a_thread(2),
        [a_trace(4)],
    )

    lines = b"".join([octets async for octets in written(pieces, JsonLines())]).splitlines()

    assert [json.loads(line)["id"] for line in lines] == ["t-0", "t-1", "t-2"]
    assert [len(json.loads(line)["traces"]) for line in lines] == [3, 0, 1]
    assert json.loads(lines[0])["traces"][0]["input"] == {"a": 1}


async def test_nothing_is_no_line() -> None:
    assert b"".join([octets async for octets in written(one_by_one(), JsonLines())]) == b""
