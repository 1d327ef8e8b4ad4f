import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Malformed
from pipeline.gateway import split
from pipeline.gateway.split import split_items

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(ANY_JSON, max_size=6), st.dictionaries(st.text(max_size=4), ANY_JSON, max_size=3))
def test_items_of_any_json_are_found_whole_and_in_order(items: list[Any], others: dict[str, Any]) -> None:
    body = json.dumps({**others, "traces": items, "last": others}, indent=1).encode()

    assert [json.loads(item) for item in split_items(body, "traces")] == items


@pytest.mark.parametrize(
    ("body", "items"),
    [
        (b'{"traces": []}', []),
        (b'{"traces":[ NaN , {"a": tru} ]}', [b"NaN", b'{"a": tru}']),
        (rb'{"traces":["a\",]}\\",{"b":"]"}]}', [rb'"a\",]}\\"', b'{"b":"]"}']),
        (b'{"a":{"traces":[1]},"traces":[2]}', [b"2"]),
        (b'{"traces":[1],"traces":[2,3]}', [b"2", b"3"]),
        (b'{"traces":[1],"spans":[2,3]}', [b"1"]),
        (b'{"traces":[1,,2]}', [b"1", b"", b"2"]),
        (b'{"traces":[' + b"[" * 100_000 + b"]" * 100_000 + b",7]}", [b"[" * 100_000 + b"]" * 100_000, b"7"]),
    ],
)
def test_items_that_are_no_json_are_still_items(body: bytes, items: list[bytes]) -> None:
    assert split_items(body, "traces") == items


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not a JSON object with a list 'traces'"),
        (b"[]", "not a JSON object with a list 'traces'"),
        (b'{"traces": 5}', "not a JSON object with a list 'traces'"),
        (b'{"traces": {"a": [1]}}', "not a JSON object with a list 'traces'"),
        (b'{"spans": [1]}', "not a JSON object with a list 'traces'"),
        (b'[{"traces": [1]}]', "not a JSON object with a list 'traces'"),
        (b'{"traces": [1', "a bracket does not close"),
        (b'{"traces": [1}]', "brackets do not match"),
        (b']{"traces": [1]}', "brackets do not match"),
        (b'{"traces": ["a]}', "a string does not end"),
    ],
)
def test_a_body_without_the_list_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        split_items(body, "traces")


def test_a_body_that_would_take_long_to_take_apart_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "TOKENS_MAX", 1000)

    with pytest.raises(Malformed, match="too large to be taken apart"):
        split_items(b'{"traces":[' + b"[]," * 600 + b"1]}", "traces")
