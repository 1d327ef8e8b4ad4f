"""Every view, light and dark, under the rules of axe-core: nothing serious may be found."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.support.client_env import locked_npm
from tests.support.page_api import Api

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]
SERIOUS = {"serious", "critical"}
WIDE: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 390, "height": 780}
LOOKS: tuple[tuple[Literal["light", "dark"], ViewportSize], ...] = (("light", WIDE), ("dark", WIDE), ("light", NARROW))


@pytest.fixture(scope="session")
def axe() -> str:
    return (locked_npm(Path(__file__).parent / "npm") / "node_modules" / "axe-core" / "axe.min.js").read_text()


def findings(page: Page) -> list[str]:
    found = page.evaluate(
        "axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']})"
    )
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]


def test_no_view_has_a_serious_fault_light_or_dark_or_narrow(api: Api, open_page: Open, axe: str) -> None:
    markdown = "Use `x`:\n\n```python\ndef f(): # why\n    return 'text', 1\n```\n\n[link](https://example.com)"
    [trace_id, *_] = api.log("seen", ("How?", markdown), ("And?", "So."))
    api.log("failed", ("x", None), error_info={"exception_type": "E", "message": "m", "traceback": "t"})
    error = {"exception_type": "E", "message": "m"}
    api.log_spans(trace_id, [
        {"name": kind, "type": kind, "offset_ms": 0, "length_ms": 9, "usage": {"total_tokens": 1}, "error_info": error}
        for kind in ("general", "tool", "llm", "guardrail")
    ])  # fmt: skip
    api.close("failed")
    score = {"thread_id": "failed", "project_name": api.project, "name": "quality", "value": 1, "source": "sdk"}
    api.call("PUT", "traces/threads/feedback-scores", {"scores": [score]})
    api.call("POST", "automations/evaluators", {
        "name": "watched", "project_name": api.project, "enabled": False, "sampling_rate": 0.5,
        "evaluators": [{"evaluator": "repetition", "parameters": {"window": 5}}],
        "filters": [{"field": "turns", "operator": ">", "value": "3"}],
    })  # fmt: skip
    page = open_page()
    page.evaluate(axe)
    faults: dict[str, list[str]] = {}

    def look(view: str) -> None:
        for scheme, size in LOOKS:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(size)
            if found := findings(page):
                faults[f"{view}, {scheme}, {size['width']} px"] = found
        page.set_viewport_size(WIDE)

    expect(page.get_by_role("link", name="seen", exact=True)).to_be_visible()
    page.get_by_role("button", name="Filter", exact=True).click()
    look("threads")
    page.get_by_role("button", name="Done").click()
    page.get_by_role("link", name="seen", exact=True).click()
    expect(page.locator(".prose pre")).to_be_visible()
    page.get_by_role("button", name="Score this answer").last.click()
    page.get_by_role("button", name="Comments and tags").first.click()
    look("conversation")
    page.get_by_role("link", name="View trace").first.click()
    expect(page.get_by_role("treeitem")).to_have_count(5)
    look("trace")
    page.get_by_role("link", name="Overview").click()
    expect(page.locator("figure.chart")).to_have_count(5)
    look("overview")
    page.get_by_role("link", name="Rules").click()
    expect(page.get_by_role("article", name="Rule watched")).to_be_visible()
    page.get_by_role("button", name="New rule").click()
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("Evaluator", exact=True).select_option("goal_words")
    look("rules")
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_role("form", name="Workspace")).to_be_visible()
    look("settings")
    page.keyboard.press("?")
    look("keys")

    assert faults == {}
