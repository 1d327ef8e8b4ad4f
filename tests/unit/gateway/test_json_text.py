import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.gateway.json_text import normalised

FFFD = "\ufffd".encode()


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "plain"}',
        '{"a": "zoë 😀"}'.encode(),
        rb'{"a": "\u00e9 \n \" \\ \/"}',
        rb'{"a": "\ud83d\ude00"}',
        rb'{"a": "\uD83D\uDE00\ud83d\ude00"}',
        rb'{"a": "\\u0000 \\ud800"}',
        rb'{"a": "\\\\u0000"}',
        rb'{"a": "\u0001"}',
        b"",
    ],
)
def test_what_can_be_stored_stays_byte_for_byte(body: bytes) -> None:
    assert normalised(body) is body or normalised(body) == body


@pytest.mark.parametrize(
    ("body", "clean"),
    [
        (rb'"\u0000"', rb'"\ufffd"'),
        (rb'"\\\u0000"', rb'"\\\ufffd"'),
        (rb'"\\\\\u0000\\u0000"', rb'"\\\\\ufffd\\u0000"'),
        (b'"a\0b"', b'"a' + FFFD + b'b"'),
        (rb'"\ud800"', rb'"\ufffd"'),
        (rb'"\uDFFF"', rb'"\ufffd"'),
        (rb'"\ud83dx\ude00"', rb'"\ufffdx\ufffd"'),
        (rb'"\ude00\ud83d"', rb'"\ufffd\ufffd"'),
        (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
        (rb'"\ud83d\ude00\ude00"', rb'"\ud83d\ude00\ufffd"'),
        (rb'"\ud83d\\ude00"', rb'"\ufffd\\ude00"'),
        (b'"\xed\xa0\x80"', b'"' + FFFD * 3 + b'"'),
        (b'"\xff"', b'"' + FFFD + b'"'),
    ],
)
def test_nul_lone_surrogates_and_broken_utf8_become_the_replacement_character(body: bytes, clean: bytes) -> None:
    assert normalised(body) == clean


@given(st.text(st.characters(exclude_categories=[]) | st.sampled_from('\0\\"ud\ud800\udc00\U0001f600')))
def test_whatever_text_a_producer_escapes_reads_as_python_reads_it_but_for_what_cannot_be_stored(text: str) -> None:
    body = json.dumps(text).encode()
    paired = json.loads(body)
    expected = "".join("\ufffd" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in paired)

    assert json.loads(normalised(body)) == expected
