import json
from decimal import Decimal
from uuid import UUID

import pytest

from pipeline.query.rows import PageOf, Project, cost_of, duration_ms, encode, lines, raw, short


def test_absent_members_are_left_out_and_a_page_has_the_names_of_opik() -> None:
    project = Project(
        id=UUID(int=1), name="p", created_at="a", last_updated_at="b", created_by="c", last_updated_by="d"
    )
    page = json.loads(encode(PageOf(page=1, size=1, total=9, content=[project], sortable_by=["name"])))

    assert set(page) == {"page", "size", "total", "content", "sortableBy"}
    assert "last_updated_trace_at" not in page["content"][0]
    assert lines([project, project]) == 2 * (encode(project) + b"\n")


@pytest.mark.parametrize("text", ['{"a" : 1e400}', '"x"', "[1,  2]", "123456789012345678901234567890", '{"a":1,"a":2}'])
def test_json_text_is_spliced_in_byte_for_byte(text: str) -> None:
    assert encode([raw(text)]) == b"[" + text.encode() + b"]"


@pytest.mark.parametrize("text", ["hello", '{"a":}', '{"a":1} {"b":2}', '"line\nbreak"', "[1,", '"], "injected": ["'])
def test_text_that_is_no_json_cannot_break_the_answer(text: str) -> None:
    assert json.loads(encode([raw(text)])) == [text]


def test_text_that_is_nested_beyond_all_walking_cannot_break_the_answer() -> None:
    deep = "[" * 100_000 + "]" * 100_000

    assert json.loads(encode([raw(deep)])) == [deep]


def test_nothing_stays_nothing() -> None:
    assert raw(None) is None
    assert raw("") is None


def test_decimals_lose_their_padding_and_nothing_else() -> None:
    given = {"1.000000000": b"1", "0.500000000": b"0.5", "100": b"100", "1E+2": b"100", "-0.000000001": b"-1E-9"}
    for text, expected in given.items():
        assert encode(short(Decimal(text))) == expected
    assert cost_of(Decimal("0.000000000")) is None
    assert cost_of(None) is None


def test_a_duration_needs_both_ends() -> None:
    assert duration_ms(1, 1_501) == 1.5
    assert duration_ms(None, 1) is None
    assert duration_ms(1, None) is None
