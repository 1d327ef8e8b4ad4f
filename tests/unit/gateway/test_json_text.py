import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from pipeline.gateway.json_text import RUNS_MAX, normalised

FFFD = "\ufffd".encode()
SMILE = "\U0001f600".encode()


def normalised_bodies() -> float:
    return REGISTRY.get_sample_value("threadline_gateway_bodies_normalised_total") or 0.0


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "plain"}',
        '{"a": "zoë 😀"}'.encode(),
        rb'{"a": "\n \" \\ \/"}',
        rb'{"a": "\u0022 \u005c \u005C \u0001 \u001F"}',
        rb'{"a": "\\u00e9 \\\\u00e9"}',
        rb'{"a": "\\u0000 \\ud800"}',
        rb'{"a": "\\\\u0000"}',
        rb'{"a": "\u0001"}',
        b"",
    ],
)
def test_what_can_be_stored_stays_byte_for_byte(body: bytes) -> None:
    assert normalised(body) == body


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        (rb'{"q": "Gr\u00fc\u00DFe", "\u00e9\n": 1}', '{"q": "Grüße", "é\\n": 1}'),
        (rb'"\ud83d\ude00\uD83D\uDE00"', '"😀😀"'),
        (rb'"\\\u00e9\\u00e9\u0041\u0022\u2028\u007f"', '"\\\\é\\\\u00e9A\\u0022\u2028\x7f"'),
        (b'"' + rb"\u65e5\ud83d\ude00" * 40 + b'"', '"' + "日😀" * 40 + '"'),
        ('"ü\\u00fc"'.encode(), '"üü"'),
    ],
)
def test_characters_that_need_no_escape_are_stored_as_themselves(body: bytes, plain: str) -> None:
    assert normalised(body).decode() == plain


def test_what_has_more_escapes_than_are_taken_stays_the_same_text() -> None:
    body = b'["' + rb"\u00e9 " * (RUNS_MAX + 2) + b'"]'

    plain = normalised(body)

    assert plain.endswith(rb'\u00e9 \u00e9 "]')
    assert json.loads(plain) == json.loads(body)


def test_only_what_cannot_be_stored_is_counted() -> None:
    before = normalised_bodies()
    normalised(rb'"\u00e9 \\"')
    assert normalised_bodies() == before

    normalised(rb'"\u00e9 \ud800 \\"')
    normalised(b'"\0 \\u00e9"')
    assert normalised_bodies() == before + 2


@pytest.mark.parametrize(
    ("body", "clean"),
    [
        (rb'"\u0000"', b'"' + FFFD + b'"'),
        (rb'"\\\u0000"', rb'"\\' + FFFD + b'"'),
        (rb'"\\\\\u0000\\u0000"', rb'"\\\\' + FFFD + rb'\\u0000"'),
        (b'"a\0b"', b'"a' + FFFD + b'b"'),
        (rb'"\ud800"', b'"' + FFFD + b'"'),
        (rb'"\uDFFF"', b'"' + FFFD + b'"'),
        (rb'"\ud83dx\ude00"', b'"' + FFFD + b"x" + FFFD + b'"'),
        (rb'"\ude00\ud83d"', b'"' + FFFD * 2 + b'"'),
        (rb'"\ud83d\ud83d\ude00"', b'"' + FFFD + SMILE + b'"'),
        (rb'"\ud83d\ude00\ude00"', b'"' + SMILE + FFFD + b'"'),
        (rb'"\ud83d\\ude00"', b'"' + FFFD + rb'\\ude00"'),
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
