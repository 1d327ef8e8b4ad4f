from typing import Any

import pytest

from pipeline.events.identity import project_id
from pipeline.topics import SCORES
from tests.support.asgi import call
from tests.support.gateway import RECEIVED_AT_US, MemoryGateway, kind_of

ID = "01a20291-4e23-79d3-b51f-45571d067e96"
ENTITIES = [("traces", "trace"), ("spans", "span")]
BASE = "/api/v1/private"
ALWAYS = {"workspace": "default", "version_us": RECEIVED_AT_US, "received_at_us": RECEIVED_AT_US}


def a_score(**fields: Any) -> dict[str, Any]:
    return {"name": "thumb", "value": 1.0, "source": "sdk", **fields}


@pytest.mark.parametrize(("folder", "entity_type"), ENTITIES)
async def test_a_score_in_a_batch_is_an_event_of_its_entity(folder: str, entity_type: str) -> None:
    memory = MemoryGateway()
    score = a_score(
        id=ID, project_name="zoo", category_name="good", reason="ok", author="ann", source_queue_id="q", value=0.123
    )

    answer = await call(memory.app, "PUT", f"{BASE}/{folder}/feedback-scores", {"scores": [score]})

    assert answer.status == 204
    [record] = memory.producer.of(SCORES)
    assert (record.key, kind_of(record)) == (ID.encode(), "score")
    assert memory.producer.rows(SCORES) == [
        {
            **ALWAYS, "entity_type": entity_type, "entity_id": ID, "event": "set", "name": "thumb", "author": "ann",
            "value": "0.123000000", "source": "sdk", "category_name": "good", "reason": "ok", "source_queue_id": "q",
            "project_id": str(project_id("default", "zoo")), "project_name": "zoo",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": " "}, "name must not be blank"),
        ({"name": None}, "name: Expected `str`, got `null`"),
        ({"value": None}, "value: Expected `decimal`, got `null`"),
        ({"value": "high"}, "value: Invalid decimal string"),
        ({"value": True}, "value: Expected `decimal`, got `bool`"),
        ({"value": 1e10}, "value must be between -999999999.999999999 and 999999999.999999999"),
        ({"value": "NaN"}, "value must be between -999999999.999999999 and 999999999.999999999"),
        ({"source": None}, "source: Expected `str`, got `null`"),
        ({"source": "robot"}, "source: Invalid enum value 'robot'"),
        ({"id": "x"}, "id: Invalid UUID"),
        ({"id": None}, "id: Expected `uuid`, got `null`"),
    ],
)
async def test_a_bad_score_is_set_aside_beside_a_good_one_and_refused_alone(
    fields: dict[str, Any], reason: str
) -> None:
    memory, alone = MemoryGateway(), MemoryGateway()
    path = f"{BASE}/traces/feedback-scores"
    bad = a_score(**{"id": ID, **fields})

    beside = await call(memory.app, "PUT", path, {"scores": [bad, a_score(id=ID)]})
    refused = await call(alone.app, "PUT", path, {"scores": [bad]})

    assert beside.status == 204
    assert len(memory.producer.rows(SCORES)) == 1
    assert [given for given, _ in memory.producer.set_aside()] == [reason]
    assert (refused.status, refused.json) == (422, {"errors": [f"scores[0]: {reason}"]})
    assert alone.producer.counts() == {}


@pytest.mark.parametrize(("value", "stored"), [(0, "0E-9"), ("0.5", "0.500000000"), (-0.0000000004, "0E-9")])
async def test_values_have_nine_places(value: object, stored: str) -> None:
    memory = MemoryGateway()

    await call(memory.app, "PUT", f"{BASE}/traces/{ID}/feedback-scores", a_score(value=value))

    assert [row["value"] for row in memory.producer.rows(SCORES)] == [stored]


@pytest.mark.parametrize(("folder", "entity_type"), ENTITIES)
async def test_a_single_score_is_of_the_entity_in_the_path(folder: str, entity_type: str) -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, "PUT", f"{BASE}/{folder}/{ID}/feedback-scores", a_score(author=" "))

    assert answer.status == 204
    [row] = memory.producer.rows(SCORES)
    assert (row["entity_type"], row["entity_id"], row["event"], row.get("author")) == (entity_type, ID, "set", None)


async def test_a_single_bad_score_is_refused_by_name() -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, "PUT", f"{BASE}/traces/{ID}/feedback-scores", {"name": "a", "source": "sdk"})

    assert (answer.status, answer.json) == (400, {"errors": ["value is required"]})
    assert memory.producer.counts() == {}


@pytest.mark.parametrize(("folder", "entity_type"), ENTITIES)
@pytest.mark.parametrize("author", [None, "ann"])
async def test_a_score_is_deleted_by_name_and_author(folder: str, entity_type: str, author: str | None) -> None:
    memory = MemoryGateway()

    answer = await call(
        memory.app, "POST", f"{BASE}/{folder}/{ID}/feedback-scores/delete", {"name": "s", "author": author}
    )

    assert answer.status == 204
    assert memory.producer.rows(SCORES) == [
        {
            **ALWAYS, "entity_type": entity_type, "entity_id": ID, "event": "delete", "name": "s",
            **({"author": author} if author else {}),
        }
    ]  # fmt: skip
