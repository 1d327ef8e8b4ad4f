"""Where API keys are in force: the page asks for one, and says what a key may not do before anyone tries."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Keys
from tests.support.page_api import Api

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]


def test_without_a_key_the_page_asks_calmly_and_then_shows_what_was_linked_to(
    api: Api, open_page: Open, keys: Keys
) -> None:
    api.log("linked", ("Who may see this?", "You."))
    page = open_page(key="", thread="linked")
    page.clock.install()
    page.reload()
    asked: list[str] = []

    expect(page.get_by_role("heading", name="An API key, please")).to_be_visible()
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(60_000)  # nothing of the page goes on asking
    page.get_by_label("API key").fill("tl_wrong")
    assert asked == []
    page.get_by_role("button", name="Use them").click()
    expect(page.get_by_role("heading", name="This API key does not open it")).to_be_visible()
    expect(page.get_by_text("This API key is not known.")).to_be_visible()

    page.get_by_label("API key").fill(keys.full)
    page.get_by_role("button", name="Use them").click()
    expect(page.get_by_role("log", name="Messages")).to_contain_text("You.")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_a_key_that_may_only_read_sees_everything_and_every_control_that_writes_says_why_not(
    api: Api, open_page: Open, keys: Keys
) -> None:
    [trace_id] = api.log("seen", ("x", "y"), tags=["kept"])
    api.call("PUT", f"traces/{trace_id}/feedback-scores", {"name": "kept", "value": 1, "source": "sdk"})
    rule = {"name": "kept", "project_name": api.project, "evaluators": [{"evaluator": "turns"}]}
    api.call("POST", "automations/evaluators", rule)
    page = open_page(key=keys.reading, thread="seen")
    written: list[str] = []
    page.on("request", lambda request: written.append(request.url) if request.method in {"PUT", "PATCH"} else None)

    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    side = page.get_by_label("About this thread")
    expect(side.get_by_text("This API key may not score, comment, tag, open or close threads.")).to_be_visible()
    for name in ("Good answer", "Bad answer", "Score this answer", "Score this conversation", "Mark as inactive"):
        expect(page.get_by_role("button", name=name).first).to_be_disabled()
    expect(side.get_by_label("Add a tag")).to_be_disabled()
    expect(side.get_by_label("Add a comment")).to_be_disabled()
    expect(page.locator(".turn .chip")).to_contain_text("kept")
    expect(page.get_by_role("button", name="Delete the score")).to_have_count(0)
    page.keyboard.press("u")
    page.keyboard.press("i")
    expect(page.get_by_role("alert")).to_contain_text("This API key may not")

    page.get_by_role("link", name="View trace").click()
    expect(page.get_by_role("button", name="Add a score")).to_be_disabled()
    page.get_by_role("link", name="Overview").click()
    expect(page.locator("figure.chart")).to_have_count(5)
    page.get_by_role("link", name="Rules").click()
    expect(page.get_by_role("article", name="Rule kept")).to_be_visible()
    for name in ("New rule", "Change this rule", "Delete this rule"):
        expect(page.get_by_role("button", name=name)).to_be_disabled()
    expect(page.get_by_role("switch", name="Enabled")).to_be_disabled()
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_role("button", name="Save")).to_be_disabled()
    expect(page.get_by_text("This API key may not change settings and rules.")).to_be_visible()
    assert written == []
