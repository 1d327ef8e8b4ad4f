import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InvalidSettings
from pipeline.gateway.masking import BUILT_IN, Counts, Expressions, Pattern, path_of, replace_at

ALL = Expressions(list(BUILT_IN.values()))
VISA = "4111 1111 1111 1111"


def masked(text: str, expressions: Expressions = ALL) -> tuple[str, Counts]:
    counts: Counts = {}
    return expressions.in_text(text.encode(), counts).decode(), counts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to joe.o'neil+x@mail.example.com.", "write to [email]."),
        ("jöe@example.com", "jö[email]"),
        ("a@b", "a@b"),
        ("call +49 (0)170 123-4567 now", "call [phone] now"),
        ("(030) 1234567", "[phone]"),
        ("555-123-4567", "[phone]"),
        (f"card {VISA}, thanks", "card [card], thanks"),
        ("4111111111111111", "[card]"),
        ("5500-0000-0000-0004", "[card]"),
        ("378282246310005", "[card]"),
        ("4111 1111 1111 1112", "4111 1111 1111 1112"),
        ("key sk-proj-abcdefghijklmnop1234", "key [key]"),
        ("AKIAIOSFODNN7EXAMPLE", "[key]"),
        ("ghp_" + "a" * 36, "[key]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "[key]"),
        ("two a@b.de and c@d.fr", "two [email] and [email]"),
    ],
)
def test_built_in_rules_find_what_they_are_called_after(text: str, expected: str) -> None:
    assert masked(text)[0] == expected


@pytest.mark.parametrize(
    "text",
    [
        "0193e3a0-0000-7000-8000-000000000001", "2026-11-22T09:23:26.883729Z", "2026-11-22 09:23:26+00:00",
        "1732345678901", "1732345678901234", "127.0.0.1:8080", "version 3.14.159", "task-1234567890", "0.333333333333",
        "the answer is 42",
    ],
)  # fmt: skip
def test_ids_times_and_plain_numbers_stay(text: str) -> None:
    assert masked(text) == (text, {})


def test_what_is_replaced_is_counted_by_rule() -> None:
    assert masked(f"a@b.de {VISA} c@d.fr")[1] == {"email": 2, "card": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": "x@y.de" , "b":[1.50, "ok"]}', '{"a": "[email]" , "b":[1.50, "ok"]}'),
        (r'{"a":"x\u0040y.de"}', '{"a":"[email]"}'),
        (r'"say \"hi\" to x@y.de\n"', r'"say \"hi\" to [email]\n"'),
        ('{"x@y.de":1}', '{"[email]":1}'),
        ("4111111111111111", '"[card]"'),
        ('{"n":4111111111111111,"t":1732345678901}', '{"n":"[card]","t":1732345678901}'),
        (r'{"n":1e5,"same":"\u00e9"}', r'{"n":1e5,"same":"\u00e9"}'),
        ("null", "null"),
    ],
)
def test_strings_and_numbers_of_json_are_masked_as_they_read_and_the_rest_stays(text: str, expected: str) -> None:
    assert ALL.in_json(text.encode(), {}).decode() == expected


def test_an_expression_that_asks_where_a_string_begins_is_asked_of_each_string() -> None:
    expressions = Expressions([Pattern("pin", r"^\d{4}$", "[pin]")])

    assert expressions.in_json(b'["1234","12345",1234]', {}) == b'["[pin]","12345","[pin]"]'


def test_a_replacement_is_text_whatever_is_in_it() -> None:
    expressions = Expressions([Pattern("q", "secret", 'a "quoted" \\1')])

    assert json.loads(expressions.in_json(b'"my secret"', {})) == 'my a "quoted" \\1'


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.just("x@y.de"),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_masked_json_is_json_with_nothing_left_to_find(document: object) -> None:
    for ensure_ascii in (True, False):
        try:
            text = json.dumps(document, ensure_ascii=ensure_ascii).encode()
        except UnicodeEncodeError:  # lone surrogates are replaced before
            continue
        once = ALL.in_json(text, {})
        json.loads(once)
        assert b"x@y.de" not in once


@pytest.mark.parametrize("evil", [b"1", b"a@", b"4111 ", b"sk-a", b"+1", b'\\"', b"a.", b"-----BEGIN "])
def test_no_text_takes_longer_than_its_length(evil: bytes) -> None:
    def cpu_seconds(size: int) -> float:
        text = b'"' + evil * (size // len(evil)) + b'"'
        began = time.process_time()
        ALL.in_json(text, {})
        return time.process_time() - began

    small = max(min(cpu_seconds(50_000) for _ in range(3)), 0.002)

    assert cpu_seconds(400_000) < 8 * small * 4  # a square would be 64 times as long


def test_an_expression_that_re2_does_not_take_is_refused_by_name() -> None:
    with pytest.raises(InvalidSettings, match="rule back"):
        Expressions([Pattern("back", r"(a)\1", "")])


@pytest.mark.parametrize(
    ("path", "expected", "count"),
    [
        ("$.user.email", {"user": {"email": "#", "n": 1}, "list": [{"secret": 2}, {"secret": {"secret": 3}}]}, 1),
        ("$.user.*", {"user": {"email": "#", "n": "#"}, "list": [{"secret": 2}, {"secret": {"secret": 3}}]}, 2),
        ("$.list[*].secret", {"user": {"email": "e", "n": 1}, "list": [{"secret": "#"}, {"secret": "#"}]}, 2),
        ("$..secret", {"user": {"email": "e", "n": 1}, "list": [{"secret": "#"}, {"secret": "#"}]}, 2),
        ("$..list[*]", {"user": {"email": "e", "n": 1}, "list": ["#", "#"]}, 2),
        ("$.none.secret", {"user": {"email": "e", "n": 1}, "list": [{"secret": 2}, {"secret": {"secret": 3}}]}, 0),
    ],
)
def test_a_path_names_members_whatever_they_hold(path: str, expected: object, count: int) -> None:
    document = {"user": {"email": "e", "n": 1}, "list": [{"secret": 2}, {"secret": {"secret": 3}}]}

    assert replace_at(path_of("p", path, "#"), document) == count
    assert document == expected


@pytest.mark.parametrize("text", ["", "$", "user", "$user", "$.", "$.a[0]", "$.a..", "$[*", "$.a b]"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidSettings, match="is no path"):
        path_of("p", text, "#")
