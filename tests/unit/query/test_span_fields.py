import pytest

from pipeline.events.identity import project_id
from pipeline.query import sorting
from pipeline.query.span_fields import SORTS, field_parts, source_of
from pipeline.query.statement import Scope, Statement


@pytest.mark.parametrize(("field", "reads"), [("usage.total_tokens", False), ("feedback_scores.depth", True)])
@pytest.mark.parametrize("of_trace", [False, True])
def test_scores_are_read_of_the_spans_in_question_and_only_to_sort_by_them(
    field: str, *, reads: bool, of_trace: bool
) -> None:
    statement = Statement(field_parts(of_trace=of_trace), Scope("w", project_id("w", "p")).parameters())
    sorts = [sorting.Sort(field)]

    order = sorting.order_by(sorts, SORTS, (), statement)
    sql = statement.text(f"SELECT id FROM {source_of(sorts)}", order)  # noqa: S608 - our own text

    assert ("FROM score_events" in sql) is reads
    assert ("entity_id) IN (SELECT toUInt128(id) FROM live_spans)" in sql) is reads
