import json
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Malformed, TooLarge, Unprocessable
from pipeline.events.envelope import Record
from pipeline.gateway.opik import batch
from pipeline.gateway.opik.batch import Items, Limits, Taken, bounded, decoded


class Thing(msgspec.Struct):
    """An item of these tests."""

    name: str
    size: int | None = None
    tags: list[str] | None = None


THINGS = Items("things", Thing)
DEEP = b"[" * 5000 + b"]" * 5000


def record_of(thing: Thing) -> Record:
    if thing.name == "bad":
        raise Malformed("name must not be bad", field="name")
    return Record(None, thing.name.encode(), ())


def take(body: bytes, shape: Callable[[Thing], Record] = record_of, *, items_max: int = 5) -> Taken:
    return THINGS.take(body, shape, Limits(items_max, event_bytes_max=10, records_bytes_max=50))


def summary(taken: Taken) -> tuple[list[bytes | None], list[tuple[bytes, str, str | None]]]:
    return (
        [record.value for record in taken.records],
        [(refusal.item, refusal.fault.reason, refusal.fault.field) for refusal in taken.refusals],
    )


GOOD = b'{"name":"a"}'


@pytest.mark.parametrize(
    ("bad", "reason", "field"),
    [
        (b'{"name":"bad"}', "name must not be bad", "name"),
        (b'{"name": 5}', "name: Expected `str`, got `int`", "name"),
        (b'{"name": null}', "name: Expected `str`, got `null`", "name"),
        (b'{"size": 5}', "name is required", "name"),
        (b'{"name":"x","tags":["a",5]}', "tags[1]: Expected `str`, got `int`", "tags"),
        (b'{"name":"x","size":1.5}', "size: Expected `int | null`, got `float`", "size"),
        (b"7", "Expected `object`, got `int`", "item"),
        (b"null", "Expected `object`, got `null`", "item"),
        (b"", "not JSON: Input data was truncated", "json"),
        (b'{"name":"x","y":NaN}', "not JSON: JSON is malformed: invalid character (byte 16)", "json"),
        (b'{"name":"x","y":' + DEEP + b"}", "nested too deeply", "nesting"),
        (b'{"name":"12345678901"}', "too large: the event has 11 bytes, 10 are taken", "size"),
    ],
)
def test_one_bad_item_does_not_cost_the_others(bad: bytes, reason: str, field: str) -> None:
    taken = take(b'{"things":[' + GOOD + b", " + bad + b" ," + GOOD + b"]}")

    assert summary(taken) == ([b"a", b"a"], [(bad, reason, field)])


@pytest.mark.parametrize("commas_max", [0, 2_000_000])
def test_a_body_is_taken_apart_the_same_by_the_decoder_and_by_its_brackets(
    commas_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "RAW_COMMAS_MAX", commas_max)
    bad = rb'{"name": 5, "x": [1, {"y": "]\","}], "things": [2]}'

    taken = take(b'{"x": [1], "things" : [ ' + GOOD + b" ,\n\t" + bad + b'\n] , "y": [{}]}')

    assert summary(taken) == ([b"a"], [(bad, "name: Expected `str`, got `int`", "name")])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"things",
        b"[]",
        b"null",
        b"{}",
        b'{"things": null}',
        b'{"things": {}}',
        b'{"things": "a"}',
        b'{"others": [{"name":"a"}]}',
        b'{"things": [{"name":"a"}',
        DEEP,
    ],
)
def test_a_body_without_the_list_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(Malformed):
        take(body)


@pytest.mark.parametrize("item", [GOOD, b"5"])
@pytest.mark.parametrize("count", [0, 6, 100])
def test_too_many_items_or_none_are_unprocessable(item: bytes, count: int) -> None:
    body = b'{"things":[' + b",".join([item] * count) + b"]}"

    with pytest.raises(Unprocessable, match=f"things must have 1 to 5 items, not {count}") as refusal:
        take(body)

    assert (refusal.value.status, refusal.value.field) == (422, "things")


def test_members_beside_the_list_and_inside_items_are_ignored() -> None:
    body = json.dumps({"x": [1], "things": [{"name": "a", "type": {"things": [5]}}], "y": None}).encode()

    assert summary(take(body)) == ([b"a"], [])


def test_every_item_bad_is_still_an_answer_for_each() -> None:
    assert [refusal.item for refusal in take(b'{"things":[1,2]}').refusals] == [b"1", b"2"]


def test_one_thing_alone_names_its_field() -> None:
    with pytest.raises(Malformed, match=r"tags\[0\]: Expected `str`, got `int`") as refusal:
        decoded(msgspec.json.Decoder(Thing), b'{"name":"a","tags":[1]}')

    assert refusal.value.field == "tags"


def test_a_record_without_value_is_within_any_bound() -> None:
    assert bounded(Record(b"k", None, ()), 1).value is None


def test_a_record_over_the_bound_is_too_large() -> None:
    with pytest.raises(TooLarge):
        bounded(Record(b"k", b"12", ()), 1)


def test_a_record_of_exactly_the_bound_is_not() -> None:
    assert bounded(Record(b"k", b"12", ()), 2).value == b"12"


def test_the_items_of_a_large_body_are_counted_before_any_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "WHOLE_BYTES_MAX", 50)
    body = b'{"things":[%b]}' % b",".join([GOOD] * 6)

    with pytest.raises(Unprocessable, match="1 to 5 items, not 6"):
        take(body, shape=pytest.fail)

    assert summary(take(b'{"things":[%b,{"size":5},%b]}' % (GOOD, b" " * 50 + GOOD))) == (
        [b"a", b"a"],
        [(b'{"size":5}', "name is required", "name")],
    )


@pytest.mark.parametrize("whole_bytes_max", [0, 1 << 20])
def test_a_request_whose_records_take_too_much_is_refused_as_a_whole(
    monkeypatch: pytest.MonkeyPatch, whole_bytes_max: int
) -> None:
    monkeypatch.setattr(batch, "WHOLE_BYTES_MAX", whole_bytes_max)
    made: list[Thing] = []

    def ten_bytes(thing: Thing) -> Record:
        made.append(thing)
        return Record(None, b"x" * 10, ())

    assert len(take(b'{"things":[%b]}' % b",".join([GOOD] * 5), shape=ten_bytes).records) == 5
    made.clear()
    with pytest.raises(TooLarge, match="the events of a request may have 50 bytes"):
        take(b'{"things":[%b]}' % b",".join([GOOD] * 9), shape=ten_bytes, items_max=9)
    assert len(made) == 6


MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["a", "bad", "12345678901", None, 5]),
        "size": st.none() | st.integers() | st.floats(),
        "tags": st.lists(st.sampled_from(["a", None]), max_size=3),
    },
)


@given(st.lists(MEMBERS | st.none() | st.integers(), min_size=1, max_size=5))
def test_it_makes_no_difference_whether_a_body_is_decoded_as_a_whole(items: list[object]) -> None:
    body = b'{"things":%b}' % json.dumps(items).encode()
    whole = summary(take(body))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "WHOLE_BYTES_MAX", 0)
        assert summary(take(body)) == whole
