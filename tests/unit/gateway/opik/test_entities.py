"""What holds of traces and spans alike."""

from typing import Any, NamedTuple
from uuid import UUID

import pytest

from pipeline.topics import SPANS, TRACES, Topic
from tests.support.asgi import call
from tests.support.gateway import MemoryGateway

ID = "01a20291-4e23-79d3-b51f-45571d067e96"
START = "2023-11-14T22:13:20Z"


class Kind(NamedTuple):
    """Where a kind is sent, where it goes, and what each of its bodies must say."""

    base: str
    topic: Topic
    always: dict[str, str]


@pytest.fixture(
    params=[
        Kind("/api/v1/private/traces", TRACES, {}),
        Kind("/api/v1/private/spans", SPANS, {"trace_id": str(UUID(int=9))}),
    ],
    ids=["traces", "spans"],
)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


async def test_a_single_one_is_answered_201_with_its_place(kind: Kind) -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, "POST", kind.base, {"id": ID, "start_time": START, "name": "a", **kind.always})

    assert (answer.status, answer.headers["location"]) == (201, f"{kind.base}/{ID}")
    assert [row["name"] for row in memory.producer.rows(kind.topic)] == ["a"]


@pytest.mark.parametrize(
    ("body", "tags"),
    [
        ({}, (None, None, None)),
        ({"tags": ["a"]}, (True, ["a"], None)),
        ({"tags": []}, (True, None, None)),
        ({"tags": ["a"], "tags_to_add": ["b", "a"]}, (True, ["a", "b"], None)),
        ({"tags_to_add": ["b"], "tags_to_remove": ["c"]}, (None, ["b"], ["c"])),
    ],
)
async def test_tags_of_a_patch_replace_or_change_those_that_are_there(
    kind: Kind, body: Any, tags: tuple[object, ...]
) -> None:
    memory = MemoryGateway()

    await call(memory.app, "PATCH", f"{kind.base}/{ID}", kind.always | body)

    [row] = memory.producer.rows(kind.topic)
    assert (row.get("tags_reset"), row.get("tags_added"), row.get("tags_removed")) == tags


@pytest.mark.parametrize(("merge_tags", "tags_reset"), [(None, True), (False, True), (True, None)])
async def test_one_patch_of_many_is_an_event_for_each(kind: Kind, merge_tags: object, tags_reset: object) -> None:
    memory = MemoryGateway()
    update = {**kind.always, "tags": ["a"]}
    body = {"ids": [ID, "nonsense", str(UUID(int=5))], "update": update, "merge_tags": merge_tags}

    answer = await call(memory.app, "PATCH", f"{kind.base}/batch", body)

    assert answer.status == 204
    rows = memory.producer.rows(kind.topic)
    assert [row["id"] for row in rows] == [ID, str(UUID(int=5))]
    assert [(row["event"], row["tags_added"], row.get("tags_reset")) for row in rows] == [
        ("patch", ["a"], tags_reset)
    ] * 2
    assert memory.producer.set_aside() == [("Invalid UUID", b'"nonsense"')]


@pytest.mark.parametrize(
    "body", [{"ids": [ID]}, {"ids": [ID], "update": {"tags": 5}}, {"update": {}}, {"ids": [], "update": {}}]
)
async def test_a_patch_of_many_that_says_nothing_usable_is_refused(kind: Kind, body: dict[str, Any]) -> None:
    memory = MemoryGateway()
    if "update" in body:
        body = body | {"update": kind.always | body["update"]}

    answer = await call(memory.app, "PATCH", f"{kind.base}/batch", body)

    assert answer.status in {400, 422}
    assert memory.producer.counts() == {}


async def test_an_id_in_the_path_that_is_none_is_refused(kind: Kind) -> None:
    answer = await call(MemoryGateway().app, "PATCH", f"{kind.base}/none", kind.always)

    assert (answer.status, answer.json) == (400, {"errors": ["id in the path must be a UUID, not 'none'"]})
