import pytest

from pipeline.topics import ANNOTATIONS
from tests.support.asgi import call
from tests.support.gateway import RECEIVED_AT_US, MemoryGateway

ID = "22631edb-42ea-5b66-9f6a-c803686ad4c6"
PATH = f"/api/v1/private/projects/{ID}"


async def test_a_name_to_be_shown_is_an_annotation_of_its_project() -> None:
    memory = MemoryGateway()

    answer = await call(
        memory.app, "PATCH", PATH, {"name": " My Bot ", "description": "x"}, {"Comet-Workspace": "team"}
    )

    assert answer.status == 204
    assert memory.producer.rows(ANNOTATIONS) == [
        {
            "workspace": "team", "version_us": RECEIVED_AT_US, "received_at_us": RECEIVED_AT_US,
            "entity_type": "project", "entity_id": ID, "annotation": "display_name", "event": "set", "text": "My Bot",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "status", "named"),
    [
        (PATH, {"name": " "}, 422, "name"),
        (PATH, {"name": "x" * 5000}, 400, "name"),
        (PATH, {}, 400, "name"),
        (PATH, {"name": None}, 400, "name"),
        (PATH.replace(ID, "mine"), {"name": "x"}, 400, "id"),
    ],
)
async def test_a_project_that_cannot_be_named_is_refused(
    path: str, body: dict[str, object], status: int, named: str
) -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, "PATCH", path, body)

    assert (answer.status, answer.json["errors"][0].startswith(named)) == (status, True)
    assert memory.producer.of(ANNOTATIONS) == []
