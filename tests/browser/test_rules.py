"""Rules of online evaluation: made, changed, switched off and deleted by a person, and what they say of threads."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pipeline.evaluators.heuristics import HEURISTICS
from pipeline.evaluators.judges import judges_of
from pipeline.evaluators.registry import Registry
from tests.support.page_api import Api
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]


def rules_of(api: Api) -> list[dict[str, Any]]:
    return list(api.call("GET", f"automations/evaluators?project_id={api.project_id()}")["content"])


def test_a_rule_is_made_scores_threads_is_changed_switched_off_and_deleted(api: Api, open_page: Open) -> None:
    api.log("bought", ("Can I buy it?", "It is sold."), ("Thanks", "Bye."))
    api.log("short", ("Sold?", "Yes, sold."))
    page = open_page(view="rules")
    expect(page.get_by_role("heading", name="No rules yet")).to_be_visible()

    page.get_by_role("button", name="New rule").click()
    form = page.get_by_role("form", name="New rule")
    form.get_by_label("Name", exact=True).fill("Sales")
    form.get_by_role("button", name="Add a condition").click()
    form.get_by_label("Value").fill("2")
    form.get_by_label("Evaluator", exact=True).select_option("goal_words")
    expect(form.get_by_role("button", name="Save rule")).to_be_disabled()
    form.get_by_label("Words", exact=True).fill("sold\nbought\n")
    form.get_by_label("Said by").select_option("assistant")
    form.get_by_label("Name of the score").fill("sale")
    form.get_by_role("button", name="Save rule").click()

    rule = page.get_by_role("article", name="Rule Sales")
    expect(rule).to_contain_text("Turns ≥ “2”")
    expect(rule).to_contain_text("Goal words")
    [stored] = rules_of(api)
    assert (stored["name"], stored.get("enabled", True), stored.get("sampling_rate", 1)) == ("Sales", True, 1)
    assert stored["filters"] == [{"field": "turns", "operator": ">=", "value": "2"}]
    assert stored["evaluators"] == [
        {
            "evaluator": "goal_words",
            "parameters": {"words": ["sold", "bought"], "said_by": "assistant", "name": "sale"},
        }
    ]

    api.close("bought", "short")
    page.get_by_role("link", name="Threads").click()
    page.get_by_role("link", name="bought", exact=True).click()
    side = page.get_by_label("About this thread")
    expect(side.locator(".chip", has_text="sale")).to_contain_text("1")
    expect(side).to_contain_text("by the evaluator Sales/goal_words")
    side.get_by_text("What evaluators said, by session").click()
    expect(side.get_by_role("link", name="Sales/goal_words")).to_be_visible()
    assert "feedback_scores" not in api.thread("short")

    side.get_by_role("link", name="Sales/goal_words").click()
    rule.get_by_role("button", name="Change this rule").click()
    form = page.get_by_role("form", name="Rule Sales")
    expect(form.get_by_label("Words", exact=True)).to_have_value("sold\nbought")
    form.get_by_label("Share of these threads").fill("12.5")
    form.get_by_role("button", name="Save rule").click()
    expect(rule).to_contain_text("12.5 % of them")
    assert rules_of(api)[0]["sampling_rate"] == 0.125

    rule.get_by_role("switch", name="Enabled").click()
    wait_until(lambda: rules_of(api)[0]["enabled"], lambda enabled: not enabled)
    expect(rule.get_by_role("switch", name="Enabled")).not_to_be_checked()

    rule.get_by_role("button", name="Delete this rule").click()
    rule.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("heading", name="No rules yet")).to_be_visible()
    wait_until(lambda: rules_of(api), lambda rules: rules == [])


def test_a_rule_that_is_refused_says_why_and_stays_in_the_form(api: Api, open_page: Open) -> None:
    api.log("any", ("x", "y"))
    api.call("POST", "automations/evaluators", {
        "name": "Taken", "project_name": api.project, "evaluators": [{"evaluator": "house", "parameters": {"a": [1]}}],
    })  # fmt: skip
    page = open_page(view="rules")
    expect(page.get_by_role("article", name="Rule Taken")).to_contain_text("house")

    page.get_by_role("button", name="New rule").click()
    form = page.get_by_role("form", name="New rule")
    form.get_by_label("Name", exact=True).fill("Taken")
    form.get_by_role("button", name="Save rule").click()
    expect(page.get_by_role("alert")).to_contain_text("The rule was not saved. The project has a rule of that name")
    expect(form.get_by_label("Name", exact=True)).to_have_value("Taken")
    form.get_by_role("button", name="Cancel").click()

    # An evaluator of an installed package is unknown to the page: its parameters are JSON.
    page.get_by_role("button", name="Change this rule").click()
    form = page.get_by_role("form", name="Rule Taken")
    expect(form.get_by_label("Parameters, as JSON")).to_have_value(re.compile(r'"a": \[\s+1\s+\]'))
    form.get_by_label("Parameters, as JSON").fill('{"a":')
    expect(form.get_by_role("button", name="Save rule")).to_be_disabled()
    form.get_by_label("Parameters, as JSON").fill('{"a": 2}')
    form.get_by_role("button", name="Save rule").click()
    expect(form).to_have_count(0)
    assert rules_of(api)[0]["evaluators"] == [{"evaluator": "house", "parameters": {"a": 2}}]


def test_the_page_knows_every_evaluator_and_its_parameters(open_page: Open) -> None:
    page = open_page(stored=False)
    known: dict[str, dict[str, Any]] = page.evaluate("""async () => {
        const { EVALUATORS, asked, drafted } = await import(
            document.querySelector("script").src.replace("page.js", "evaluators.js"));
        const value = { text: "x", long: "x", number: "7", words: ["x", " "], choice: "user" };
        return Object.fromEntries(Object.entries(EVALUATORS).map(([name, { parameters }]) => {
            const given = Object.entries(parameters).map(([name, { kind }]) => [name, value[kind]]);
            return [name, asked(drafted({ evaluator: name, parameters: Object.fromEntries(given) })).parameters];
        }));
    }""")
    ours = {**HEURISTICS, **judges_of(None)}
    heuristics = Registry(HEURISTICS)

    assert set(known) == set(ours)
    for name in HEURISTICS:
        heuristics.build(name, known[name])  # raises Malformed for a parameter that it does not take
    assert known["goal_words"] == {"words": ["x"], "said_by": "user", "name": "x"}
    assert known["repetition"] == {"window": 7}
    assert {name: set(known[name]) for name in judges_of(None)} == {
        "coherence": {"model"},
        "user_frustration": {"model"},
        "session_completeness": {"model"},
        "judge": {"prompt", "name", "model"},
    }
