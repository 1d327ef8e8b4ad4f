"""Hostile input: the exact answer to each, and that nothing of a body is ever unaccounted for."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.adapters.web.body import zstd
from pipeline.topics import DEAD_LETTERS, SPANS, TRACES
from tests.support.asgi import Answer, call
from tests.support.gateway import MemoryGateway

ID = "0193e3a0-0000-7000-8000-000000000001"
START = "2026-11-22T09:23:26Z"
BATCH = "/api/v1/private/traces/batch"
GOOD = json.dumps({"id": ID, "start_time": START}).encode()
DEEP = 100_000
STORED, SET_ASIDE = (204, 1, 0), (204, 0, 1)
EXAMPLES = 150


def batch(*items: bytes) -> bytes:
    return b'{"traces":[' + b",".join(items) + b"]}"


def trace(**fields: Any) -> bytes:
    return json.dumps({"id": ID, "start_time": START, **fields}).encode()


def raw(name: str, value: bytes) -> bytes:
    return GOOD[:-1] + b',"' + name.encode() + b'":' + value + b"}"


async def post(gateway: MemoryGateway, body: bytes) -> Answer:
    return await call(gateway.app, "POST", BATCH, body)


@pytest.mark.parametrize(
    ("item", "answer"),
    [
        pytest.param(trace(input="a\x00b"), STORED, id="NUL, escaped"),
        pytest.param(raw("input", b'"a\x00b"'), STORED, id="NUL, as it is"),
        pytest.param(raw("input", b'"\\ud800"'), STORED, id="a lone surrogate"),
        pytest.param(raw("input", b'"\xff\xfe"'), STORED, id="broken UTF-8"),
        pytest.param(trace(input="x" * 10_000_000), STORED, id="a string of 10 MB"),
        pytest.param(raw("input", b"[" * 500 + b"]" * 500), STORED, id="nested 500 deep"),
        pytest.param(raw("input", b"[" * DEEP + b"]" * DEEP), SET_ASIDE, id="nested 100,000 deep"),
        pytest.param(raw("input", b'{"a":1,"a":2}'), STORED, id="duplicate keys in a payload"),
        pytest.param(raw("name", b'"one","name":"two"'), STORED, id="duplicate keys of ours"),
        pytest.param(raw("unknown", b"[1,{}]"), STORED, id="an unknown member"),
        pytest.param(raw("input", b"1e999"), STORED, id="a number beyond doubles"),
        pytest.param(raw("input", b"123456789" * 1000), STORED, id="a number of 9,000 digits"),
        pytest.param(trace(start_time="0000-01-01T00:00:00Z"), SET_ASIDE, id="the year 0"),
        pytest.param(trace(start_time="0001-01-01T00:00:00Z"), SET_ASIDE, id="the year 1"),
        pytest.param(trace(start_time="9999-12-31T23:59:59Z"), SET_ASIDE, id="the year 9999"),
        pytest.param(trace(start_time="2026-11-22T09:23:26"), SET_ASIDE, id="a time without a zone"),
        pytest.param(trace(start_time=1), SET_ASIDE, id="a number for a time"),
        pytest.param(trace(id="x"), SET_ASIDE, id="no UUID"),
        pytest.param(trace(id=None), STORED, id="an id of null: it gets one"),
        pytest.param(trace(name={"a": 1}), SET_ASIDE, id="an object for a name"),
        pytest.param(trace(tags="a"), SET_ASIDE, id="a string for tags"),
        pytest.param(trace(thread_id="t" * 5000), SET_ASIDE, id="a thread id beyond its bound"),
        pytest.param(trace(ttft="NaN"), SET_ASIDE, id="no number"),
        pytest.param(b"null", SET_ASIDE, id="null"),
        pytest.param(b"[]", SET_ASIDE, id="a list"),
        pytest.param(b"{}", SET_ASIDE, id="nothing in it"),
    ],
)
async def test_a_hostile_item_is_stored_or_set_aside_and_costs_its_neighbours_nothing(
    item: bytes, answer: tuple[int, int, int]
) -> None:
    alone, beside = MemoryGateway(), MemoryGateway()

    status = (await post(alone, batch(item))).status

    assert (status, len(alone.producer.of(TRACES)), len(alone.producer.of(DEAD_LETTERS))) == answer
    assert (await post(beside, batch(GOOD, item, GOOD))).status == 204
    assert (len(beside.producer.of(TRACES)), len(beside.producer.of(DEAD_LETTERS))) == (answer[1] + 2, answer[2])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b"{", 400, id="cut"),
        pytest.param(b"null", 400, id="null"),
        pytest.param(b"[]", 400, id="a list"),
        pytest.param(b'"traces"', 400, id="a string"),
        pytest.param(b"{}", 400, id="no list"),
        pytest.param(b'{"traces":{}}', 400, id="an object for the list"),
        pytest.param(batch(), 422, id="an empty list"),
        pytest.param(batch(*[GOOD] * 1001), 422, id="too many items"),
        pytest.param(b'{"traces":' + b"[" * DEEP + b"]" * DEEP + b"}", 204, id="one item, nested deeply"),
        pytest.param(b"\x00" * 1000, 400, id="NULs"),
        pytest.param(b"\xff" * 1000, 400, id="no UTF-8"),
    ],
)
async def test_a_hostile_body_has_its_answer_and_leaves_nothing_behind(body: bytes, status: int) -> None:
    gateway = MemoryGateway()

    assert (await post(gateway, body)).status == status
    assert gateway.producer.of(TRACES) == []
    assert gateway.gateway.budget.used == 0


async def test_what_stands_after_the_end_of_a_body_costs_its_items_nothing() -> None:
    gateway = MemoryGateway()

    assert (await post(gateway, batch(GOOD) + b"x")).status == 204
    assert len(gateway.producer.of(TRACES)) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Encoding": "br"}, 400),
        ({"Content-Encoding": "gzip"}, 400),
        ({"Content-Length": "99999999999"}, 413),
        ({"Comet-Workspace": "a\x01b"}, 400),
        ({"Comet-Workspace": "w" * 5000}, 400),
        ({"Comet-Workspace": "\xff"}, 400),
    ],
)
async def test_a_hostile_header_has_its_answer(headers: dict[str, str], status: int) -> None:
    gateway = MemoryGateway()

    assert (await call(gateway.app, "POST", BATCH, batch(GOOD), headers)).status == status
    assert gateway.producer.counts() == {}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([ID, START]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.sampled_from(
    ["id", "trace_id", "start_time", "end_time", "last_updated_at", "name", "input", "output", "metadata", "tags",
     "thread_id", "project_name", "project_id", "error_info", "usage", "ttft", "total_estimated_cost"]
)  # fmt: skip
FIELDS = st.dictionaries(MEMBERS, JSON_VALUES | st.sampled_from([ID, START, [], {}]), max_size=8)
ITEMS = (
    FIELDS | st.builds(lambda fields: {"id": ID, "trace_id": ID, "start_time": START, **fields}, FIELDS) | JSON_VALUES
)


def dumped(value: object) -> bytes:
    return json.dumps(value).encode()  # NaN and Infinity as they are, which is no JSON


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(
    entity=st.sampled_from(["traces", "spans"]),
    items=st.lists(ITEMS, min_size=1, max_size=5),
    cut=st.none() | st.integers(min_value=0, max_value=200),
    noise=st.binary(max_size=3),
)
async def test_whatever_comes_is_answered_below_500_and_what_is_accepted_is_stored_or_set_aside(
    entity: str, items: list[object], cut: int | None, noise: bytes
) -> None:
    body = dumped({entity: items})
    if cut is not None:
        place = cut % len(body)
        body = body[:place] + noise + body[place + 1 :]
    gateway = MemoryGateway()

    answer = await call(gateway.app, "POST", f"/api/v1/private/{entity}/batch", body)

    stored = len(gateway.producer.of(TRACES if entity == "traces" else SPANS))
    set_aside = len(gateway.producer.of(DEAD_LETTERS))
    assert answer.status in {204, 400, 422}, (answer, body)
    assert int(answer.headers.get("x-threadline-set-aside", 0)) == set_aside
    if answer.status == 204 and cut is None:
        assert stored + set_aside == len(items)
    if answer.status != 204:
        assert gateway.producer.counts() == {}
    assert gateway.gateway.budget.used == 0


WHOLE = batch(*[GOOD] * 20)
COMPRESSED: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(
    encoding=st.sampled_from(sorted(COMPRESSED)),
    place=st.integers(min_value=0, max_value=1000),
    noise=st.binary(max_size=8),
    replaced=st.integers(min_value=0, max_value=8),
    end=st.none() | st.integers(min_value=0, max_value=1000),
)
async def test_a_damaged_body_in_any_compression_is_taken_as_a_whole_or_refused_as_a_whole(
    encoding: str, place: int, noise: bytes, replaced: int, end: int | None
) -> None:
    sent = COMPRESSED[encoding](WHOLE)
    place %= len(sent)
    sent = (sent[:place] + noise + sent[place + replaced :])[:end]
    gateway = MemoryGateway()

    answer = await call(gateway.app, "POST", BATCH, sent, {"Content-Encoding": encoding})

    kept = len(gateway.producer.of(TRACES)) + len(gateway.producer.of(DEAD_LETTERS))
    assert answer.status in {204, 400, 413, 422}, (answer, sent)
    assert (kept > 0) is (answer.status == 204)
    assert gateway.gateway.budget.used == 0
