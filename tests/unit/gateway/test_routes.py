import gzip
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.asgi import call
from tests.support.gateway import ENTITY_TYPES, MemoryGateway, MemoryStorage

ID = "01a20291-4e23-79d3-b51f-45571d067e96"
PRIVATE = "/v1/private"
COMMENTS = [("POST", f"/{ID}/comments"), ("PATCH", f"/comments/{ID}"), ("POST", "/comments/delete")]
WRITES = [
    ("POST", "/traces/batch"),
    ("PATCH", "/traces/batch"),
    ("POST", "/traces/delete"),
    ("PUT", "/traces/feedback-scores"),
    ("PUT", "/traces/threads/close"),
    ("PUT", "/traces/threads/open"),
    ("POST", "/traces/threads/delete"),
    ("PUT", "/traces/threads/feedback-scores"),
    ("POST", "/traces/threads/feedback-scores/delete"),
    ("POST", "/traces"),
    ("PATCH", f"/traces/{ID}"),
    ("DELETE", f"/traces/{ID}"),
    ("PUT", f"/traces/{ID}/feedback-scores"),
    ("POST", f"/traces/{ID}/feedback-scores/delete"),
    ("POST", "/spans/batch"),
    ("PATCH", "/spans/batch"),
    ("PUT", "/spans/feedback-scores"),
    ("POST", "/spans"),
    ("PATCH", f"/spans/{ID}"),
    ("PUT", f"/spans/{ID}/feedback-scores"),
    ("POST", f"/spans/{ID}/feedback-scores/delete"),
    ("PATCH", "/traces/threads/batch"),
    ("PATCH", f"/traces/threads/{ID}"),
    *((method, f"{entity}{path}") for entity in ("/traces", "/traces/threads", "/spans") for method, path in COMMENTS),
    ("PATCH", f"/projects/{ID}"),
    ("PUT", "/workspaces/configurations"),
    ("DELETE", "/workspaces/configurations"),
    ("POST", "/automations/evaluators"),
    ("POST", "/automations/evaluators/delete"),
]
BATCHES = [("POST", "/traces/batch", "traces"), ("POST", "/spans/batch", "spans"), ("POST", "/traces/delete", "ids")]
SCORE_BATCHES = ["/traces/feedback-scores", "/spans/feedback-scores", "/traces/threads/feedback-scores"]

# Values as producers send them and as they should not, so that items are now good, now bad, field by field.
MOMENTS = st.sampled_from(["2023-11-14T22:13:20Z", "2300-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "x", None, 5])
IDS = st.sampled_from([ID, str(UUID(int=0)), "x", "", None, 7])
TEXTS = st.sampled_from(["a", "", " ", "\0", "\ud800", "\U0001f600", "x" * 5000, None, 5, ["a"]])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "id": IDS, "trace_id": IDS, "parent_span_id": IDS, "project_id": IDS, "thread_id": TEXTS, "project_name": TEXTS,
    "name": TEXTS, "start_time": MOMENTS, "end_time": MOMENTS, "last_updated_at": MOMENTS, "input": ANY_JSON,
    "output": ANY_JSON, "tags": st.lists(TEXTS, max_size=3) | ANY_JSON, "usage": ANY_JSON, "ttft": ANY_JSON,
    "value": st.sampled_from([1, 0.5, "0.5", "NaN", 1e300, -1e9, True, None]), "author": TEXTS,
    "source": st.sampled_from(["sdk", "ui", "robot", None, 5]), "total_estimated_cost": ANY_JSON,
    "names": st.lists(TEXTS, max_size=3), "thread_ids": st.lists(TEXTS, max_size=3), "ids": st.lists(IDS, max_size=3),
    "text": TEXTS, "timeout_to_mark_thread_as_inactive": st.sampled_from(["PT1S", "P8D", "PT0S", "", None, 60]),
    "truncation_on_tables": ANY_JSON, "color_map": st.dictionaries(TEXTS.map(str), TEXTS, max_size=2) | ANY_JSON,
    "thread_score_regime": st.sampled_from(["strict", "lenient", "none", None]),
}  # fmt: skip
ITEMS = st.fixed_dictionaries({}, optional=FIELDS) | IDS | ANY_JSON
BODIES = (
    ITEMS
    | st.fixed_dictionaries(
        {},
        optional={
            **{member: st.lists(ITEMS, max_size=4) | ANY_JSON for member in ("traces", "spans", "scores")},
            "ids": st.lists(IDS, max_size=4) | ANY_JSON,
            "update": ITEMS,
            "merge_tags": ANY_JSON,
        },
    )
).map(lambda body: json.dumps(body).encode())
DEEP_LIST = b"[" * 3000 + b"]" * 3000
DEEP_OBJECT = b'{"a":' * 3000 + b"1" + b"}" * 3000
NOISE = st.binary(max_size=60) | st.sampled_from(
    [b"[" * 3000, b'{"traces":%b}' % DEEP_LIST, b'{"traces":[%b]}' % DEEP_OBJECT, b'{"spans":[%b]}' % DEEP_LIST]
)
EVERY_BODY = settings(max_examples=150)


async def test_the_ping_of_the_sdks_is_answered_200() -> None:
    answer = await call(MemoryGateway().app, "GET", "/api/is-alive/ping")

    assert (answer.status, answer.json["healthy"]) == (200, True)


@pytest.mark.parametrize("prefix", ["/api", ""])
@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_every_write_route_is_there(method: str, path: str, prefix: str) -> None:
    answer = await call(MemoryGateway(storage=MemoryStorage()).app, method, f"{prefix}{PRIVATE}{path}", b"")

    assert answer.status not in {404, 405, 500}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/traces/batch"), ("DELETE", f"/spans/{ID}"), ("POST", f"/traces/{ID}"), ("PUT", "/traces/batch")],
)
async def test_what_is_not_written_is_a_405(method: str, path: str) -> None:
    assert (await call(MemoryGateway().app, method, f"{PRIVATE}{path}")).status == 405


@EVERY_BODY
@given(st.sampled_from(WRITES), BODIES | NOISE, st.booleans())
async def test_no_body_ever_is_a_fault_of_ours(route: tuple[str, str], body: bytes, is_gzip: bool) -> None:  # noqa: FBT001
    storage = MemoryStorage()
    storage.models = {("default", UUID(ID))}
    for entity_type in ENTITY_TYPES:
        storage.add_comment("default", entity_type, UUID(ID))
    memory = MemoryGateway(storage=storage, lookup_seconds_max=0)
    method, path = route
    headers = {"Content-Encoding": "gzip"} if is_gzip else {}

    answer = await call(memory.app, method, PRIVATE + path, gzip.compress(body) if is_gzip else body, headers=headers)

    assert answer.status in {200, 201, 204, 400, 413, 422}
    if answer.status >= 400:
        assert memory.producer.counts() == {}
        assert answer.json["errors"]
    assert memory.gateway.budget.used == 0


@EVERY_BODY
@given(st.sampled_from(BATCHES), st.lists(ITEMS, min_size=1, max_size=6))
async def test_accepted_and_set_aside_are_all_items_of_a_batch(route: tuple[str, str, str], items: list[Any]) -> None:
    memory = MemoryGateway()
    method, path, member = route

    answer = await call(memory.app, method, PRIVATE + path, json.dumps({member: items}).encode())

    assert answer.status == 204
    assert sum(memory.producer.counts().values()) == len(items)


@EVERY_BODY
@given(st.sampled_from(SCORE_BATCHES), st.lists(ITEMS, min_size=1, max_size=6))
async def test_scores_are_all_accounted_for_or_all_refused(path: str, items: list[Any]) -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, "PUT", PRIVATE + path, json.dumps({"scores": items}).encode())

    counted = sum(memory.producer.counts().values())
    assert (answer.status, counted) in {(204, len(items)), (422, 0)}


async def test_an_attachment_is_refused_for_good_and_told_how_to_be_sent_inside_its_trace() -> None:
    answer = await call(MemoryGateway().app, "POST", f"{PRIVATE}/attachment/upload-start", {"file_name": "a.png"})

    assert (answer.status, answer.json["code"]) == (404, 404)
    assert "OPIK_IS_ATTACHMENT_EXTRACTION_ACTIVE=false" in answer.json["message"]
