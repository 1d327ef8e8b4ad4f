from typing import Any
from uuid import UUID

import pytest

from pipeline.adapters.telemetry.metrics import GATEWAY_COMMENTS_UNKNOWN
from pipeline.events.scores import EntityType
from pipeline.topics import ANNOTATIONS
from tests.support.asgi import call
from tests.support.gateway import RECEIVED_AT_US, MemoryGateway, MemoryStorage

PRIVATE = "/api/v1/private"
MODEL, COMMENT, OTHER = (UUID(f"01a20291-4e23-79d3-b51f-45571d067e9{digit}") for digit in "678")
ENTITIES: list[tuple[str, EntityType]] = [("traces", "trace"), ("spans", "span"), ("traces/threads", "thread")]
TIMES = {"workspace": "default", "version_us": RECEIVED_AT_US, "received_at_us": RECEIVED_AT_US}
TAGS = {"entity_type": "thread", "entity_id": str(MODEL), "annotation": "tags", "event": "set"}


def gateway_that_knows(*, is_deleted: bool = False, entity_type: EntityType = "thread") -> MemoryGateway:
    storage = MemoryStorage()
    storage.models = {("default", MODEL)}
    storage.add_comment("default", entity_type, COMMENT, MODEL, is_deleted=is_deleted)
    return MemoryGateway(storage=storage, lookup_seconds_max=0)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"tags": ["vip", "vip", "eu"]}, {"tags_reset": True, "tags_added": ["vip", "eu"]}),
        ({"tags": []}, {"tags_reset": True}),
        ({"tags_to_add": ["a"], "tags_to_remove": ["vip"]}, {"tags_added": ["a"], "tags_removed": ["vip"]}),
        ({"tags": None, "tags_to_add": ["a"], "status": "x"}, {"tags_added": ["a"]}),
    ],
)
async def test_tags_of_a_thread_are_replaced_or_added_and_removed_one_by_one(
    body: dict[str, Any], said: dict[str, Any]
) -> None:
    memory = gateway_that_knows()

    answer = await call(memory.app, "PATCH", f"{PRIVATE}/traces/threads/{MODEL}", body)

    assert answer.status == 204
    assert memory.producer.rows(ANNOTATIONS) == [{**TIMES, **TAGS, **said}]
    assert memory.producer.of(ANNOTATIONS)[0].key == str(MODEL).encode()


async def test_tags_of_a_thread_that_storage_does_not_know_are_a_404() -> None:
    memory = gateway_that_knows()

    answer = await call(memory.app, "PATCH", f"{PRIVATE}/traces/threads/{OTHER}", {"tags": ["a"]})

    assert (answer.status, answer.json) == (404, {"code": 404, "message": f"Thread not found: {OTHER}"})
    assert memory.producer.counts() == {}


async def test_tags_are_taken_where_storage_is_away() -> None:
    storage = MemoryStorage()
    storage.models = None

    memory = MemoryGateway(storage=storage)

    assert (await call(memory.app, "PATCH", f"{PRIVATE}/traces/threads/{MODEL}", {"tags": ["a"]})).status == 204
    assert memory.producer.counts() == {"annotations": 1}


@pytest.mark.parametrize(("merge", "reset"), [(True, {}), (False, {"tags_reset": True}), (None, {"tags_reset": True})])
async def test_many_threads_get_the_same_tags(merge: bool | None, reset: dict[str, bool]) -> None:  # noqa: FBT001
    memory = gateway_that_knows()
    body = {"ids": [str(MODEL), str(OTHER), "no id"], "update": {"tags": ["b"]}, "merge_tags": merge}

    answer = await call(memory.app, "PATCH", f"{PRIVATE}/traces/threads/batch", body)

    assert (answer.status, answer.headers["x-threadline-set-aside"]) == (204, "1")
    assert memory.producer.rows(ANNOTATIONS) == [
        {**TIMES, **TAGS, "entity_id": str(one), "tags_added": ["b"], **reset} for one in (MODEL, OTHER)
    ]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"ids": [], "update": {}}, 422, "ids must have 1 to 1000 items, not 0"),
        ({"ids": [str(MODEL)] * 1001, "update": {}}, 422, "ids must have 1 to 1000 items, not 1001"),
        ({"ids": [str(MODEL)]}, 400, "update is required"),
        ({"ids": [str(MODEL)], "update": {"tags": "vip"}}, 400, "update.tags: Expected `array | null`, got `str`"),
    ],
)
async def test_a_batch_of_tags_that_cannot_be_meant_is_refused_by_name(body: Any, status: int, error: str) -> None:
    answer = await call(gateway_that_knows().app, "PATCH", f"{PRIVATE}/traces/threads/batch", body)

    assert (answer.status, answer.json) == (status, {"errors": [error]})


@pytest.mark.parametrize(("path", "entity_type"), ENTITIES)
async def test_a_comment_gets_an_id_and_is_found_where_the_answer_says(path: str, entity_type: str) -> None:
    memory = gateway_that_knows()

    answer = await call(
        memory.app, "POST", f"{PRIVATE}/{path}/{OTHER}/comments", {"text": " ask again ", "id": str(COMMENT)}
    )

    [row] = memory.producer.rows(ANNOTATIONS)
    assert (answer.status, answer.headers["location"]) == (
        201,
        f"{PRIVATE}/{path}/{OTHER}/comments/{row['comment_id']}",
    )
    assert UUID(row["comment_id"]).version == 7
    assert row["comment_id"] != str(COMMENT)
    said = {"entity_type": entity_type, "entity_id": str(OTHER), "annotation": "comment", "event": "set"}
    assert row == {**TIMES, **said, "text": " ask again ", "comment_id": row["comment_id"]}


@pytest.mark.parametrize(("path", "entity_type"), ENTITIES)
async def test_a_comment_is_changed_and_deleted_where_it_stands(path: str, entity_type: EntityType) -> None:
    memory = gateway_that_knows(entity_type=entity_type)

    changed = await call(memory.app, "PATCH", f"{PRIVATE}/{path}/comments/{COMMENT}", {"text": "new"})
    deleted = await call(memory.app, "POST", f"{PRIVATE}/{path}/comments/delete", {"ids": [str(COMMENT)] * 2})

    assert (changed.status, deleted.status) == (204, 204)
    place = {
        "entity_type": entity_type,
        "entity_id": str(MODEL),
        "annotation": "comment",
        "comment_id": str(COMMENT),
    }
    assert memory.producer.rows(ANNOTATIONS) == [
        {**TIMES, **place, "event": "set", "text": "new"},
        {**TIMES, **place, "event": "delete"},
    ]


async def test_a_comment_that_is_unknown_or_was_deleted_cannot_be_changed() -> None:
    for memory, comment in ((gateway_that_knows(), OTHER), (gateway_that_knows(is_deleted=True), COMMENT)):
        answer = await call(memory.app, "PATCH", f"{PRIVATE}/traces/threads/comments/{comment}", {"text": "x"})

        assert (answer.status, answer.json) == (404, {"code": 404, "message": f"Comment not found: {comment}"})
        assert memory.producer.counts() == {}


async def test_of_comments_to_be_deleted_the_unknown_are_counted_and_the_deleted_are_let_be() -> None:
    before = GATEWAY_COMMENTS_UNKNOWN._value.get()
    memory = gateway_that_knows(is_deleted=True)

    answer = await call(
        memory.app, "POST", f"{PRIVATE}/traces/threads/comments/delete", {"ids": [str(COMMENT), str(OTHER)]}
    )

    assert answer.status == 204
    assert memory.producer.counts() == {}
    assert GATEWAY_COMMENTS_UNKNOWN._value.get() == before + 1


async def test_without_storage_a_comment_can_be_made_but_not_changed() -> None:
    memory = MemoryGateway()

    assert (await call(memory.app, "POST", f"{PRIVATE}/traces/{OTHER}/comments", {"text": "x"})).status == 201
    for method, path, body in (("PATCH", COMMENT, {"text": "x"}), ("POST", "delete", {"ids": [str(COMMENT)]})):
        answer = await call(memory.app, method, f"{PRIVATE}/traces/comments/{path}", body)
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("POST", f"{OTHER}/comments", {"text": " "}, 422, "text must not be blank"),
        ("POST", f"{OTHER}/comments", {}, 400, "text is required"),
        ("POST", "x/comments", {"text": "a"}, 400, "id in the path must be a UUID, not 'x'"),
        ("PATCH", f"comments/{COMMENT}", {"text": ""}, 422, "text must not be blank"),
        ("PATCH", f"comments/{COMMENT}", {"text": 5}, 400, "text: Expected `str`, got `int`"),
        ("POST", "comments/delete", {"ids": []}, 422, "ids must have 1 to 1000 items, not 0"),
        ("POST", "comments/delete", {"ids": ["x"]}, 400, "ids[0]: Invalid UUID"),
    ],
)
async def test_a_comment_that_says_nothing_is_refused_by_name(
    method: str, path: str, body: Any, status: int, error: str
) -> None:
    answer = await call(gateway_that_knows().app, method, f"{PRIVATE}/traces/{path}", body)

    assert (answer.status, answer.json) == (status, {"errors": [error]})
