import pytest

from pipeline.errors import Malformed
from pipeline.evaluators.conditions import all_of
from pipeline.events.rules import FilterField, FilterOperator, RuleFilter
from tests.unit.evaluators.transcripts import transcript

GIVEN = transcript(("Hello Shop", "Hi"), ("bye", "Good BYE"))


@pytest.mark.parametrize(
    ("field", "operator", "value", "expected"),
    [
        ("turns", "=", "2", True), ("turns", ">", "2", False), ("turns", ">=", "2", True), ("turns", "!=", "2", False),
        ("turns", "<", "2.5", True), ("duration_seconds", "<=", "62", True),
        ("thread_id", "=", "order 7", True), ("thread_id", "starts_with", "order", True),
        ("thread_id", "ends_with", "8", False), ("reason", "!=", "requested", True),
        ("first_message", "contains", "SHOP", True), ("last_message", "not_contains", "bye", False),
        ("environment", "=", "", True), ("source", "contains", "sdk", False),
    ],
)  # fmt: skip
def test_a_condition_holds_or_not(field: FilterField, operator: FilterOperator, value: str, *, expected: bool) -> None:
    assert all_of([RuleFilter(field, operator, value)])(GIVEN) is expected


def test_all_conditions_must_hold_and_none_always_does() -> None:
    holds, fails = RuleFilter("turns", "=", "2"), RuleFilter("turns", "=", "3")

    assert all_of([])(GIVEN)
    assert all_of([holds, holds])(GIVEN)
    assert not all_of([holds, fails])(GIVEN)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (RuleFilter("turns", "contains", "2"), "is for texts"),
        (RuleFilter("turns", "=", "two"), "is none"),
        (RuleFilter("thread_id", ">", "a"), "is for numbers"),
    ],
)
def test_a_condition_that_cannot_be_is_refused(wanted: RuleFilter, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        all_of([wanted])
