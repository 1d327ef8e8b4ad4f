from uuid import UUID

from pipeline.query.rows import Project
from pipeline.query.shapes import without


def test_members_that_every_row_has_stay_when_excluded() -> None:
    project = Project(
        id=UUID(int=1), name="p", created_at="a", last_updated_at="b", created_by="c", last_updated_by="d",
        last_updated_trace_at="e",
    )  # fmt: skip

    assert without(project, ["name", "last_updated_trace_at", "unheard of"]) is project
    assert (project.name, project.last_updated_trace_at) == ("p", None)
