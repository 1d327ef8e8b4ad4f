"""What a workspace sets, who asks, and how the page looks."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Keys
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]
OTHER_WORKSPACE = "elsewhere"


def test_the_key_and_workspace_go_with_every_request_of_this_tab_only(open_page: Open, keys: Keys) -> None:
    page = open_page(stored=False, key="", view="settings")
    page.get_by_role("textbox", name="Workspace").fill(OTHER_WORKSPACE)
    page.get_by_label("API key").fill(keys.full)
    asked: list[Request] = []
    page.on("framenavigated", lambda _: asked.clear())  # those of before are of nobody
    page.on("request", lambda request: asked.append(request) if "/v1/private/" in request.url else None)

    page.get_by_role("button", name="Use them").click()

    expect(page.get_by_role("heading", name="No conversations yet")).to_be_visible()
    assert {(each.headers.get("authorization"), each.headers.get("comet-workspace")) for each in asked} == {
        (keys.full, OTHER_WORKSPACE)
    }
    assert page.evaluate("key => Object.values(localStorage).includes(key)", keys.full) is False


def test_the_timeout_and_the_regime_of_scores_are_set_for_the_workspace(open_page: Open) -> None:
    page = open_page(stored=False, view="settings")
    page.get_by_role("textbox", name="Workspace").fill(OTHER_WORKSPACE)
    page.get_by_role("button", name="Use them").click()
    expect(page.get_by_role("heading", name="No conversations yet")).to_be_visible()
    page.get_by_role("link", name="Settings").click()

    expect(page.get_by_label("A thread is inactive")).to_contain_text("As the installation says: 10 minutes")
    expect(page.get_by_label("Scores of conversations")).to_contain_text("As the installation says: strict")
    page.get_by_label("A thread is inactive").select_option(label="30 minutes")
    page.get_by_label("Scores of conversations").select_option("lenient")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_text("Saved")).to_be_visible()

    def shown() -> str:
        page.reload()
        return page.get_by_label("A thread is inactive").input_value()

    wait_until(shown, lambda value: value == "PT30M")
    expect(page.get_by_label("Scores of conversations")).to_have_value("lenient")


def test_dark_and_light_are_kept_when_a_person_chose(open_page: Open) -> None:
    page = open_page(stored=False, scheme="dark")
    page.get_by_role("button", name="Dark or light").click()
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.reload()

    expect(page.get_by_role("button", name="Dark or light")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light == "rgb(246, 247, 249)"
