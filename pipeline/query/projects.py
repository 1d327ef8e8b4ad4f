"""Projects: listed, by name, by id. They are what traces named; nobody creates them."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from pipeline.errors import Unknown
from pipeline.events.identity import DEFAULT_PROJECT_NAME, project_id
from pipeline.query import sorting
from pipeline.query.pages import Page
from pipeline.query.reader import Reader
from pipeline.query.rows import AUTHOR, PageOf, Project
from pipeline.query.statement import Statement
from pipeline.query.times import iso

_NAMED: Final = """
    SELECT
        project_id, argMinMerge(projects.name) AS first_name, min(created_at_us) AS created_us,
        max(last_updated_at_us) AS updated_us
    FROM projects
    WHERE workspace = {workspace:String}
    GROUP BY project_id"""
# No event names the Default Project where a client leaves the name out, so its traces themselves say that it is there.
_UNNAMED: Final = """
    SELECT
        project_id, {default_name:String} AS first_name, min(created_at_us) AS created_us,
        max(last_updated_at_us) AS updated_us
    FROM traces
    WHERE workspace = {workspace:String} AND project_id = {default_project:UUID} AND NOT is_deleted
    GROUP BY project_id"""
_SHOWN_NAMES: Final = """
    SELECT entity_id AS project_id, argMax(ifNull(text, ''), (version_us, ifNull(text, ''))) AS shown_name
    FROM annotation_events
    WHERE workspace = {workspace:String} AND entity_type = 'project' AND annotation = 'display_name'
    GROUP BY project_id"""
_LISTED: Final = """
    SELECT
        project_id, min(known.created_us) AS created_us, max(known.updated_us) AS updated_us,
        if(any(shown_name) != '', any(shown_name), argMin(first_name, known.created_us)) AS name
    FROM (SELECT * FROM named UNION ALL SELECT * FROM unnamed) AS known LEFT JOIN shown_names USING (project_id)
    GROUP BY project_id"""

SORTS: Final = {"name": "name", "created_at": "created_us", "last_updated_at": "updated_us", "id": "project_id"}


async def page(reader: Reader, workspace: str, wanted: Page, *, name: str | None) -> PageOf:
    """Return one page of projects, of those whose name contains `name`; without `sorting` the last used come first."""
    statement = _statement(workspace)
    order = sorting.order_by(wanted.sorts, SORTS, ("updated_us DESC", "project_id"), statement)
    if name:
        statement.where(f"position(lowerUTF8(name), lowerUTF8({statement.bind(name, 'String')})) > 0")
    size, offset = statement.bind(wanted.size, "UInt32"), statement.bind(wanted.offset, "UInt32")
    rows = await reader.rows(
        statement, "SELECT *, count() OVER () AS total FROM listed", f"{order} LIMIT {size} OFFSET {offset}"
    )
    total = rows[0]["total"] if rows else await _count(reader, statement, wanted)
    return PageOf(
        page=wanted.number, size=len(rows), total=total, content=[_project(row) for row in rows],
        sortable_by=list(SORTS),
    )  # fmt: skip


async def project(reader: Reader, workspace: str, identity: UUID) -> Project:
    """Return one project; raises Unknown where no trace ever named it."""
    statement = _statement(workspace)
    statement.where(f"project_id = {statement.bind(str(identity), 'UUID')}")
    rows = await reader.rows(statement, "SELECT * FROM listed")
    if not rows:
        raise Unknown(f"Project not found: {identity}")
    return _project(rows[0])


async def _count(reader: Reader, statement: Statement, wanted: Page) -> int:
    """Return how many projects there are, when the page has none to say it: the first page then has none either."""
    if wanted.number == 1:
        return 0
    return int((await reader.rows(statement, "SELECT count() AS total FROM listed"))[0]["total"])


def _statement(workspace: str) -> Statement:
    parts = {"named": _NAMED, "unnamed": _UNNAMED, "shown_names": _SHOWN_NAMES, "listed": _LISTED}
    default = str(project_id(workspace, DEFAULT_PROJECT_NAME))
    parameters = {"workspace": workspace, "default_project": default, "default_name": DEFAULT_PROJECT_NAME}
    return Statement(parts, parameters)


def _project(row: Mapping[str, Any]) -> Project:
    updated = iso(row["updated_us"])
    return Project(
        id=row["project_id"],
        name=row["name"],
        created_at=iso(row["created_us"]),
        last_updated_at=updated,
        created_by=AUTHOR,
        last_updated_by=AUTHOR,
        last_updated_trace_at=updated,
    )
