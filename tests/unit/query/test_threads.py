"""What a list of threads reads: the narrowest tables that the fields it is chosen by need."""

import re

import pytest

from pipeline.events.identity import project_id
from pipeline.query import sorting
from pipeline.query.filters import OPERATORS, Filter
from pipeline.query.statement import Scope
from pipeline.query.thread_fields import FIELDS, NEWEST_FIRST, SORTS
from pipeline.query.threads import chosen, source_of

SCOPE = Scope("w", project_id("w", "p"))
FOLDED, SESSIONS = "threads", "thread_sessions"
MORE = {
    "status": {SESSIONS},
    "last_updated_at": {SESSIONS},
    "first_message": {"thread_previews", "trace_events"},
    "last_message": {"thread_previews", "trace_events"},
    # What counts of these depends on the thread's deletions and reopenings.
    "tags": {SESSIONS, "annotation_events"},
    "feedback_scores": {SESSIONS, "score_events"},
}
VALUES = {"number": "1", "score": "1", "time": "2024-01-01T00:00:00Z"}


def tables_of(sql: str) -> set[str]:
    named = set(re.findall(r"\bFROM (\w+)", sql)) | set(re.findall(r"\bJOIN (\w+)", sql))
    return named - set(re.findall(r"\b(\w+) AS \(", sql))


@pytest.mark.parametrize("with_deletions", [False, True])
@pytest.mark.parametrize(
    ("field", "operator"),
    [(name, operator) for name, field in FIELDS.items() for operator in sorted(OPERATORS[field.kind])],
)
def test_a_filter_reads_no_more_than_its_field_needs(field: str, operator: str, *, with_deletions: bool) -> None:
    wanted = Filter(field, operator, VALUES.get(FIELDS[field].kind, "x"), key="helpful")
    statement = chosen(SCOPE, [wanted], None, lenient=False, with_deletions=with_deletions)
    refolded = {"traces", "spans", SESSIONS} if with_deletions else set()

    sql = statement.text("SELECT thread_id FROM " + source_of(statement))  # noqa: S608 - our own text

    assert tables_of(sql) == {FOLDED} | MORE.get(field, set()) | refolded


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("number_of_messages", set()),
        ("total_estimated_cost", set()),
        ("usage.total_tokens", set()),
        ("status", {SESSIONS}),
        ("tags", {SESSIONS, "annotation_events"}),
        ("feedback_scores.helpful", {SESSIONS, "score_events"}),
    ],
)
def test_an_order_reads_no_more_than_its_field_needs(field: str, more: set[str]) -> None:
    statement = chosen(SCOPE, [], None, lenient=False, with_deletions=False)
    order = sorting.order_by([sorting.Sort(field)], SORTS, NEWEST_FIRST[1:], statement)

    sql = statement.text("SELECT thread_id FROM " + source_of(statement, order), order)  # noqa: S608 - our own text

    assert tables_of(sql) == {FOLDED} | more


def test_tags_and_scores_together_read_both() -> None:
    wanted = [Filter("tags", "=", "x"), Filter("feedback_scores", ">", "0", key="helpful")]
    statement = chosen(SCOPE, wanted, None, lenient=False, with_deletions=False)

    sql = statement.text("SELECT thread_id FROM " + source_of(statement))  # noqa: S608 - our own text

    assert tables_of(sql) == {FOLDED, SESSIONS, "score_events", "annotation_events"}


@pytest.mark.parametrize("field", ["tags", "feedback_scores"])
def test_what_was_said_of_other_projects_is_not_looked_at(field: str) -> None:
    statement = chosen(SCOPE, [Filter(field, "is_empty", key="x")], None, lenient=False, with_deletions=False)

    sql = statement.text("SELECT thread_id FROM " + source_of(statement))  # noqa: S608 - our own text

    said = sql[sql.index("_events") :]
    assert re.search(r"entity_id\) IN \(\s*SELECT model FROM threads\s+PREWHERE .*project_id", said)
