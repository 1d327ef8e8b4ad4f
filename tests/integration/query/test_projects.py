from uuid import uuid4

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.identity import project_id
from tests.support.reading import Reads
from tests.support.stored import Log

PROJECTS = "/api/v1/private/projects"


async def test_projects_are_what_traces_named_by_the_first_spelling(log: Log, writer: ClickHouse, reads: Reads) -> None:
    log.trace("t", project_name="My Bot", project_id=project_id(log.workspace, "my bot"))
    log.trace("t", project_name="MY BOT ", project_id=project_id(log.workspace, "my bot"))
    log.trace("t", project_name="Another", project_id=project_id(log.workspace, "another"))
    log.trace("t", project_name=None, project_id=None)
    await log.store(writer)

    page = (await reads.get(PROJECTS, sorting=[{"field": "name"}], size=2)).json
    assert ([row["name"] for row in page["content"]], page["total"], page["size"]) == (
        ["Another", "Default Project"],
        3,
        2,
    )
    assert [row["name"] for row in (await reads.get(PROJECTS, name="BOT")).json["content"]] == ["My Bot"]
    assert (await reads.get(PROJECTS)).json["content"][0]["name"] == "Default Project", "the last used comes first"

    found = (await reads.post(f"{PROJECTS}/retrieve", {"name": " my BOT"})).json
    assert (found["id"], found["name"]) == (str(project_id(log.workspace, "My Bot")), "My Bot")
    assert (await reads.get(f"{PROJECTS}/{found['id']}")).json == found


async def test_a_display_name_replaces_the_spelling(log: Log, writer: ClickHouse, reads: Reads) -> None:
    log.trace("t")
    log.annotate("project", log.project, "display_name", text="Shown")
    await log.store(writer)

    assert (await reads.get(f"{PROJECTS}/{log.project}")).json["name"] == "Shown"


async def test_unknown_projects_are_404(reads: Reads) -> None:
    assert (await reads.get(f"{PROJECTS}/{uuid4()}")).status == 404
    assert (await reads.post(f"{PROJECTS}/retrieve", {"name": "none"})).status == 404
    assert (await reads.post(f"{PROJECTS}/retrieve", {})).status == 400
    assert (await reads.get(PROJECTS)).json["content"] == []
