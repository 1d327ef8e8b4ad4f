import re

import pytest

from pipeline.errors import Malformed
from pipeline.query.sorting import Expression, Sort, decode, entry, order_by
from pipeline.query.statement import Statement

FIELDS: dict[str, Expression] = {"id": "thread_id", "duration": "duration_ms", "usage.*": entry("usage")}


def ordered(*sorts: Sort, otherwise: tuple[str, ...] = ()) -> str:
    return order_by(sorts, FIELDS, otherwise, Statement({}, {}))


def test_criteria_come_before_the_order_that_is_always_there() -> None:
    order = ordered(Sort("duration", "DESC"), Sort("id"), otherwise=("model DESC",))

    assert order == "ORDER BY duration_ms DESC NULLS LAST, thread_id ASC NULLS LAST, model DESC"
    assert ordered(otherwise=("model DESC",)) == "ORDER BY model DESC"


@pytest.mark.parametrize("name", ["total_tokens", "my score", "a.b", "'] OR 1 --", "*"])
def test_a_name_is_all_after_the_first_dot_and_never_text_of_the_query(name: str) -> None:
    statement = Statement({}, {})

    order = order_by([Sort(f"usage.{name}", "DESC")], FIELDS, (), statement)

    assert order == ("ORDER BY if(mapContains(usage, {value_0:String}), usage[{value_0:String}], NULL) DESC NULLS LAST")
    assert statement.parameters(order) == {"value_0": name}


@pytest.mark.parametrize("field", ["usage", "usage.", ".", "", "id.x", "duration_ms", "cost.*", "USAGE.total"])
def test_a_field_of_the_wrong_form_is_named(field: str) -> None:
    with pytest.raises(Malformed, match=rf"unknown field '{re.escape(field)}'; it can be id, duration, usage\.\*"):
        ordered(Sort(field))


def test_unknown_fields_and_directions_are_refused() -> None:
    with pytest.raises(Malformed, match="'colour'"):
        ordered(Sort("colour"))
    with pytest.raises(Malformed, match="at most"):
        ordered(*[Sort("id")] * 6)
    for wrong in ("{}", "[1]", '[{"field":"id","direction":"UP"}]', '[{"field":"id","direction":"DESC; DROP"}]'):
        with pytest.raises(Malformed, match="sorting"):
            decode(wrong)


def test_no_sorting_is_no_criteria() -> None:
    assert decode(None) == decode("") == decode("[]") == []
    assert decode('[{"field":"id"}]') == [Sort("id", "ASC")]
