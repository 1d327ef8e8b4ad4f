import tracemalloc
from contextlib import suppress

import msgspec
import pytest

from pipeline.errors import TooLarge
from pipeline.gateway.opik.batch import decoded
from pipeline.gateway.small_lists import LIST_BYTES_MAX, bounded_lists


class Inner(msgspec.Struct):
    """What is inside."""

    tags: list[str] | None = None


class Outer(msgspec.Struct):
    """What has lists, of its own and inside."""

    inner: Inner | None = None
    names: dict[str, str] = {}
    text: str = ""
    payload: msgspec.Raw = msgspec.Raw()


MANY = b"[" + b'"aa",' * (LIST_BYTES_MAX // 5) + b'"aa"]'
OUTER = msgspec.json.Decoder(Outer)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param(b'{"inner":{"tags":%b}}' % MANY, "tags", id="a list inside"),
        pytest.param(b'{"names":{"a":%b}}' % MANY, "names", id="an object"),
        pytest.param(b'{"text":"a","names":%b,"text":"b"}' % MANY, "names", id="what is of the wrong type"),
    ],
)
def test_a_list_that_is_too_long_is_refused_by_name(body: bytes, field: str) -> None:
    with pytest.raises(TooLarge, match=f"^{field}: ") as refused:
        decoded(OUTER, body)

    assert refused.value.field == field


@pytest.mark.parametrize("body", [b'{"payload":%b}' % MANY, b'{"unknown":%b,"text":"a"}' % MANY])
def test_what_is_not_taken_apart_may_be_of_any_size(body: bytes) -> None:
    assert decoded(OUTER, body).names == {}


def test_a_list_up_to_the_bound_is_taken() -> None:
    tags = ["x" * 98] * (LIST_BYTES_MAX // 101)

    taken = decoded(OUTER, msgspec.json.encode({"inner": {"tags": tags}, "text": "x" * LIST_BYTES_MAX}))

    assert taken.inner is not None
    assert taken.inner.tags == tags


def test_types_without_lists_are_not_looked_at() -> None:
    assert bounded_lists(list[str], MANY) is MANY
    assert bounded_lists(str, MANY) is MANY


MANY_MORE = b'[%b"aa"]' % (b'"aa",' * 4_000_000)


def peak_bytes_of(body: bytes) -> int:
    tracemalloc.start()
    try:
        with suppress(TooLarge):
            decoded(OUTER, body)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"inner":{"tags":%b}}' % MANY_MORE, id="refused"),
        pytest.param(b'{"inner":{"tags":%b,"tags":["b"]}}' % MANY_MORE, id="a second one is small"),
        pytest.param(b'{"inner":{"tags":%b},"inner":{}}' % MANY_MORE, id="in a first one of two"),
        pytest.param(b'{"names":%b,"names":{}}' % MANY_MORE, id="of the wrong type"),
    ],
)
def test_no_memory_is_taken_for_what_is_in_a_long_list(body: bytes) -> None:
    assert peak_bytes_of(body) < LIST_BYTES_MAX


def test_what_is_left_of_a_body_with_members_that_stand_twice_is_its_last_ones() -> None:
    body = b'{"inner":{"tags":%b,"tags":["b"]},"names":{"a":"b"},"text":"a","text":"b","payload":[1, 2]}' % MANY

    taken = decoded(OUTER, body)

    assert taken == Outer(Inner(["b"]), {"a": "b"}, "b", msgspec.Raw(b"[1, 2]"))
