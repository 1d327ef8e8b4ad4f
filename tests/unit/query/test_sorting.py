import pytest

from pipeline.errors import Malformed
from pipeline.query.sorting import Sort, decode, order_by

FIELDS = {"id": "thread_id", "duration": "duration_ms"}


def test_criteria_come_before_the_order_that_is_always_there() -> None:
    order = order_by([Sort("duration", "DESC"), Sort("id")], FIELDS, ("model DESC",))

    assert order == "ORDER BY duration_ms DESC NULLS LAST, thread_id ASC NULLS LAST, model DESC"
    assert order_by([], FIELDS, ("model DESC",)) == "ORDER BY model DESC"


def test_unknown_fields_and_directions_are_refused() -> None:
    with pytest.raises(Malformed, match="'colour'"):
        order_by([Sort("colour")], FIELDS, ())
    with pytest.raises(Malformed, match="at most"):
        order_by([Sort("id")] * 6, FIELDS, ())
    for wrong in ("{}", "[1]", '[{"field":"id","direction":"UP"}]', '[{"field":"id","direction":"DESC; DROP"}]'):
        with pytest.raises(Malformed, match="sorting"):
            decode(wrong)


def test_no_sorting_is_no_criteria() -> None:
    assert decode(None) == decode("") == decode("[]") == []
    assert decode('[{"field":"id"}]') == [Sort("id", "ASC")]
