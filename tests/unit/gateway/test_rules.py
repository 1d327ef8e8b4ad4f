import json
from typing import Any

import pytest

from pipeline.events.identity import project_id
from pipeline.topics import RULES
from tests.support.asgi import Answer, call
from tests.support.gateway import MemoryGateway

PATH = "/v1/private/automations/evaluators"
ID = "01a20291-4e23-79d3-b51f-45571d067e96"
BODY: dict[str, Any] = {
    "name": "daily",
    "project_name": " Support ",
    "sampling_rate": 0.5,
    "filters": [{"field": "turns", "operator": ">", "value": "3"}],
    "evaluators": [{"evaluator": "turns"}, {"evaluator": "goal_words", "parameters": {"words": ["paid"]}}],
}


async def ask(gateway: MemoryGateway, method: str, path: str = "", body: Any = None, workspace: str = "w") -> Answer:
    content = b"" if body is None else json.dumps(body).encode()
    return await call(gateway.app, method, f"{PATH}{path}", content, headers={"Comet-Workspace": workspace})


async def test_a_rule_is_made_and_read_and_is_on_the_topic() -> None:
    gateway = MemoryGateway()
    answer = await ask(gateway, "POST", body=BODY)

    assert answer.status == 201
    rule_id = answer.json["id"]
    assert answer.headers["location"] == f"{PATH}/{rule_id}"
    [record] = gateway.producer.of(RULES)
    assert (record.key, json.loads(record.value or b"")["sampling_rate"]) == (f"w\t{rule_id}".encode(), 0.5)
    assert (await ask(gateway, "GET", f"/{rule_id}")).json == answer.json
    assert answer.json == {
        "id": rule_id, "project_id": str(project_id("w", "Support")), "project_name": "Support", "name": "daily",
        "enabled": True, "sampling_rate": 0.5, "filters": BODY["filters"],
        "evaluators": [{"evaluator": "turns"}, BODY["evaluators"][1]],
        "created_at": "2023-11-14T22:13:20Z", "last_updated_at": "2023-11-14T22:13:20Z",
    }  # fmt: skip


async def test_a_change_leaves_what_it_does_not_name() -> None:
    gateway = MemoryGateway()
    rule = (await ask(gateway, "POST", body=BODY)).json
    gateway.clock.advance(1)

    answer = await ask(gateway, "PATCH", f"/{rule['id']}", {"enabled": False, "filters": []})

    assert answer.status == 200
    changed = {"enabled": False, "filters": [], "last_updated_at": "2023-11-14T22:13:21Z"}
    assert answer.json == rule | changed
    assert len(gateway.producer.of(RULES)) == 2


async def test_rules_are_listed_by_project_and_only_those_of_the_workspace() -> None:
    gateway = MemoryGateway()
    for name, project in (("a", "one"), ("b", "one"), ("c", "two")):
        await ask(gateway, "POST", body=BODY | {"name": name, "project_name": project})
        gateway.clock.advance(1)

    async def names(query: str, workspace: str = "w") -> list[str]:
        answer = await call(gateway.app, "GET", f"{PATH}?{query}", headers={"Comet-Workspace": workspace})
        return [rule["name"] for rule in answer.json["content"]]

    assert await names("") == ["c", "b", "a"]
    assert await names("project_name=one") == ["b", "a"]
    assert await names(f"project_id={project_id('w', 'two')}") == ["c"]
    assert await names("", workspace="other") == []


async def test_a_deleted_rule_is_gone_and_its_key_has_no_value() -> None:
    gateway = MemoryGateway()
    one = (await ask(gateway, "POST", body=BODY)).json["id"]
    two = (await ask(gateway, "POST", body=BODY | {"name": "other"})).json["id"]

    assert (await ask(gateway, "DELETE", f"/{one}")).status == 204
    assert (await ask(gateway, "POST", "/delete", {"ids": [one, two, ID]})).status == 204

    assert [record.value for record in gateway.producer.of(RULES)[2:]] == [None, None]
    assert (await ask(gateway, "GET")).json["content"] == []


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)])
async def test_a_rule_that_nobody_made_or_that_is_anothers_is_a_404(method: str, body: Any) -> None:
    gateway = MemoryGateway()
    rule = (await ask(gateway, "POST", body=BODY)).json["id"]

    assert (await ask(gateway, method, f"/{ID}", body)).status == 404
    assert (await ask(gateway, method, f"/{rule}", body, workspace="other")).status == 404


async def test_two_rules_of_one_project_cannot_have_one_name_nor_one_id() -> None:
    gateway = MemoryGateway()
    await ask(gateway, "POST", body=BODY | {"id": ID})
    other = (await ask(gateway, "POST", body=BODY | {"name": "other"})).json["id"]

    assert (await ask(gateway, "POST", body=BODY)).status == 409
    assert (await ask(gateway, "POST", body=BODY | {"id": ID, "name": "third"})).status == 409
    assert (await ask(gateway, "PATCH", f"/{other}", {"name": "daily"})).status == 409
    assert (await ask(gateway, "POST", body=BODY | {"project_name": "elsewhere"})).status == 201


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"name": " "}, "name"),
        ({"sampling_rate": 1.5}, "sampling_rate"),
        ({"evaluators": []}, "evaluators"),
        ({"evaluators": [{"evaluator": "turns"}] * 2}, "evaluators"),
        ({"evaluators": [{"evaluator": " "}]}, "evaluators"),
        ({"filters": [{"field": "mood", "operator": "=", "value": "1"}]}, "filters"),
        ({"filters": [{"field": "turns", "operator": "=", "value": "many"}]}, "filters"),
        ({"filters": [{"field": "turns", "operator": ">", "value": "1"}] * 51}, "filters"),
        ({"evaluators": 5}, "evaluators"),
    ],
)
async def test_what_cannot_be_a_rule_is_refused_with_the_field(fields: dict[str, Any], fault: str) -> None:
    gateway = MemoryGateway()
    answer = await ask(gateway, "POST", body=BODY | fields)

    assert (answer.status, gateway.producer.of(RULES)) == (400, [])
    assert fault in answer.json["errors"][0]


async def test_a_rule_that_kafka_did_not_take_is_not_there() -> None:
    gateway = MemoryGateway()
    gateway.producer.break_down()

    assert (await ask(gateway, "POST", body=BODY)).status in {429, 503}
    assert (await ask(gateway, "GET")).json["content"] == []
