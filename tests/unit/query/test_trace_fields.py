"""What a list of traces reads: sums over spans, and scores, only where it is chosen or sorted by them."""

import re

import pytest

from pipeline.events.identity import project_id
from pipeline.query import filters, sorting
from pipeline.query.filters import Filter
from pipeline.query.parts import trace_parts
from pipeline.query.statement import Scope, Statement
from pipeline.query.trace_fields import FIELDS, SORTS, field_parts, source_of

SCOPE = Scope("w", project_id("w", "p"))


def sql_of(*fields: str, given: Filter | None = None) -> str:
    statement = Statement(trace_parts(with_deletions=False) | field_parts(), SCOPE.parameters())
    filters.apply([given] if given else [], FIELDS, statement)
    sorts = [sorting.Sort(field) for field in fields]
    order = sorting.order_by(sorts, SORTS, (), statement) if sorts else ""
    return statement.text(f"SELECT id FROM {source_of(statement, sorts)}", order)  # noqa: S608 - our own text


def tables_of(sql: str) -> set[str]:
    return set(re.findall(r"\bFROM (\w+)", sql)) - set(re.findall(r"\b(\w+) AS \(", sql))


@pytest.mark.parametrize(
    ("fields", "tables"),
    [
        ((), {"traces"}),
        (("duration", "tags", "thread_id"), {"traces"}),
        (("total_estimated_cost", "id"), {"traces", "spans"}),
        (("usage.total_tokens",), {"traces", "spans"}),
        (("feedback_scores.helpful",), {"traces", "score_events"}),
        (("feedback_scores.helpful", "usage.a.b"), {"traces", "spans", "score_events"}),
    ],
)
def test_an_order_reads_no_more_than_its_fields_need(fields: tuple[str, ...], tables: set[str]) -> None:
    assert tables_of(sql_of(*fields)) == tables


@pytest.mark.parametrize("field", ["total_estimated_cost", "feedback_scores.helpful"])
def test_sums_and_scores_to_sort_by_are_read_of_what_the_filters_leave(field: str) -> None:
    sql = sql_of(field, given=Filter("thread_id", "=", "t-1"))

    chosen = re.search(r"matching AS \(SELECT \* FROM live WHERE (.+?)\),\n", sql)
    assert chosen
    assert "thread_id = " in chosen[1].replace("ifNull(thread_id, '')", "thread_id")
    assert "IN (SELECT toUInt128(id) FROM matching)" in sql
    assert "IN (SELECT toUInt128(id) FROM live)" not in sql


@pytest.mark.parametrize(
    ("field", "owned"),
    [
        ("feedback_scores", r"SELECT toUInt128\(id\) FROM traces\s+PREWHERE .*project_id"),
        ("span_feedback_scores", r"SELECT span FROM trace_spans"),
    ],
)
def test_scores_of_other_projects_are_not_looked_at(field: str, owned: str) -> None:
    sql = sql_of(given=Filter(field, ">", "0", key="helpful"))

    assert sql.count("FROM score_events") == 1
    assert re.search(rf"entity_id\) IN \(\s*{owned}", sql[sql.index("FROM score_events") :])
