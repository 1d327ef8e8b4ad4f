"""Every view, light and dark, under the rules of axe-core: nothing serious may be found."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.client_env import locked_npm
from tests.support.page_api import Api

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="session")
def axe() -> str:
    return (locked_npm(Path(__file__).parent / "npm") / "node_modules" / "axe-core" / "axe.min.js").read_text()


def findings(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate(
        "axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']})"
    )
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize(("scheme", "size"), [("light", (1280, 800)), ("dark", (1280, 800)), ("light", (390, 780))])
def test_no_view_has_a_serious_fault(scheme: str, size: tuple[int, int], api: Api, open_page: Open, axe: str) -> None:
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
    page = open_page(scheme=scheme, size=size)
    faults: dict[str, list[str]] = {}

    expect(page.get_by_role("link", name="seen", exact=True)).to_be_visible()
    page.get_by_role("button", name="Filter", exact=True).click()
    faults["threads"] = findings(page, axe)
    page.get_by_role("button", name="Done").click()
    page.get_by_role("link", name="seen", exact=True).click()
    expect(page.locator(".prose pre")).to_be_visible()
    page.get_by_role("button", name="Score this answer").last.click()
    page.get_by_role("button", name="Comments and tags").first.click()
    faults["conversation"] = findings(page, axe)
    page.get_by_role("link", name="View trace").first.click()
    expect(page.get_by_role("treeitem")).to_have_count(5)
    faults["trace"] = findings(page, axe)
    page.get_by_role("link", name="Overview").click()
    expect(page.locator("figure.chart")).to_have_count(5)
    faults["overview"] = findings(page, axe)
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_role("form", name="Workspace")).to_be_visible()
    faults["settings"] = findings(page, axe)
    page.keyboard.press("?")
    faults["keys"] = findings(page, axe)

    assert {view: found for view, found in faults.items() if found} == {}
