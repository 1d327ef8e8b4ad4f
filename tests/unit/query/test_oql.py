import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Malformed
from pipeline.query.filters import Filter
from pipeline.query.oql import CHARACTERS_MAX, parse


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("", []),
        ("  \n", []),
        ('thread_id contains "user-session"', [Filter("thread_id", "contains", "user-session")]),
        (
            'status = "inactive" AND tags contains "x"and duration>=1500.5',
            [Filter("status", "=", "inactive"), Filter("tags", "contains", "x"), Filter("duration", ">=", "1500.5")],
        ),
        ('id != "say ""hi"""', [Filter("id", "!=", 'say "hi"')]),
        ('feedback_scores."my score" > -0.5', [Filter("feedback_scores", ">", "-0.5", "my score")]),
        ("feedback_scores.helpful is_not_empty", [Filter("feedback_scores", "is_not_empty", "", "helpful")]),
        ('tags is_empty and id = "a"', [Filter("tags", "is_empty", ""), Filter("id", "=", "a")]),
        ("usage.total_tokens < 5", [Filter("usage.total_tokens", "<", "5")]),
        ('environment not_in ( "a" ,"b")', [Filter("environment", "not_in", "a,b")]),
        ('start_time >= "2024-01-01T00:00:00Z"', [Filter("start_time", ">=", "2024-01-01T00:00:00Z")]),
    ],
)
def test_what_the_sdk_reads_is_read_the_same(text: str, filters: list[Filter]) -> None:
    assert parse(text) == filters


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("status", "an operator"),
        ("status =", "a number or a text"),
        ("status = inactive", "`inactive`"),
        ('status = "inactive', "a text"),
        ('id = "a" or id = "b"', "`or`"),
        ('id = "a" id = "b"', "`and` is expected, not `id`"),
        ('id = "a" and', "the name of a field, at the end".replace(",", " is expected,")),
        ('environment in "a"', "`(`"),
        ('environment in ("a" "b")', "`)`"),
        ("feedback_scores. > 1", "a key"),
        ("= 1", "the name of a field"),
        ("x" * (CHARACTERS_MAX + 1), "at most"),
    ],
)
def test_what_is_no_filter_is_named_with_its_place(text: str, named: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(text)

    assert named in caught.value.reason


@given(st.text(), st.text())
def test_any_text_can_be_said(value: str, key: str) -> None:
    quoted_value, quoted_key = (text.replace('"', '""') for text in (value, key))

    assert parse(f'feedback_scores."{quoted_key}" = "{quoted_value}"') == [Filter("feedback_scores", "=", value, key)]


@given(st.text())
def test_no_text_is_more_than_refused(text: str) -> None:
    try:
        parse(text)
    except Malformed as refusal:
        assert refusal.field == "filter"  # noqa: PT017 - most texts are refused, some are not
