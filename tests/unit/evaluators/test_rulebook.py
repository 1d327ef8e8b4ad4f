from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from pipeline.errors import InvalidSettings
from pipeline.evaluators.heuristics import HEURISTICS
from pipeline.evaluators.registry import Registry
from pipeline.evaluators.rulebook import RuleBook
from pipeline.events.rules import Rule, RuleEvaluator, RuleFilter

PROJECT, THREAD = UUID(int=7), UUID(int=8)


class Known:
    """Rules as a test says them."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = list(rules)

    def of_project(self, workspace: str, project_id: UUID) -> Sequence[Rule]:
        return [rule for rule in self.rules if (rule.workspace, rule.project_id) == (workspace, project_id)]


def rule(**fields: Any) -> Rule:
    given = {
        "id": UUID(int=1), "workspace": "default", "project_id": PROJECT, "name": "daily",
        "evaluators": (RuleEvaluator("turns"), RuleEvaluator("goal_words", "paid", {"words": ["paid"]})),
        "created_at_us": 1, "version_us": 1,
    }  # fmt: skip
    return Rule(**(given | fields))


def authors(book: RuleBook) -> list[str]:
    return [one.author for plan in book.plans_of("default", PROJECT, THREAD) for one in plan.appointed]


def book_of(*rules: Rule, default: str = "") -> RuleBook:
    return RuleBook(Known(*rules), Registry(HEURISTICS), default_evaluators=default)


def test_a_rule_gives_scores_under_its_name_and_the_evaluators_label() -> None:
    [plan] = book_of(rule()).plans_of("default", PROJECT, THREAD)

    assert [(one.kind, one.author, one.origin) for one in plan.appointed] == [
        ("turns", "daily/turns", f"{UUID(int=1)}/turns/1"),
        ("goal_words", "daily/paid", f"{UUID(int=1)}/paid/1"),
    ]


def test_a_rule_holds_for_its_project_only() -> None:
    book = book_of(rule())

    assert book.plans_of("default", UUID(int=9), THREAD) == []
    assert book.plans_of("other", PROJECT, THREAD) == []


def test_a_disabled_rule_does_nothing_and_keeps_the_default_away() -> None:
    assert authors(book_of(rule(enabled=False), default="turns")) == []


def test_threads_outside_the_share_are_left_alone() -> None:
    assert authors(book_of(rule(sampling_rate=0.0))) == []


def test_a_new_state_of_a_rule_counts_at_once() -> None:
    known = Known(rule())
    book = RuleBook(known, Registry(HEURISTICS), default_evaluators="")
    assert authors(book) == ["daily/turns", "daily/paid"]

    known.rules = [rule(version_us=2, evaluators=(RuleEvaluator("steps"),))]

    assert authors(book) == ["daily/steps"]


@pytest.mark.parametrize(
    "fields",
    [
        {"evaluators": (RuleEvaluator("no such"),)},
        {"evaluators": (RuleEvaluator("goal_words"),)},
        {"filters": (RuleFilter("turns", "contains", "1"),)},
    ],
)
def test_a_rule_that_cannot_be_applied_is_left_out_and_the_others_hold(fields: dict[str, Any]) -> None:
    book = book_of(rule(id=UUID(int=2), **fields), rule())

    assert authors(book) == ["daily/turns", "daily/paid"]


def test_the_default_holds_where_a_project_has_no_rule() -> None:
    assert authors(book_of(default=" turns, steps,")) == ["turns", "steps"]


def test_a_default_that_does_not_exist_stops_the_start() -> None:
    with pytest.raises(InvalidSettings, match="THREADLINE_EVALUATE_DEFAULT_EVALUATORS: no evaluator 'turn'"):
        book_of(default="turn")
