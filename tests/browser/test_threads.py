"""The list of threads: it keeps itself up to date, is searched, filtered, sorted and paged, and says what is wrong."""

import json
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.page_api import Api
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]


def rows(page: Page) -> list[str]:
    return [text.strip() for text in page.locator(".thread-table a.id").all_inner_texts()]


def test_threads_and_their_status_appear_by_themselves(api: Api, open_page: Open) -> None:
    api.log("morning", ({"user": "Hello"}, {"assistant": "Hi there."}))
    page = open_page()
    expect(page.get_by_role("row", name="morning")).to_contain_text("Hi there.")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()

    api.log("evening", ("And me?", "You too."))
    expect(page.get_by_role("row", name="evening")).to_contain_text("active")

    api.close("morning")
    expect(page.get_by_role("row", name="morning")).to_contain_text("inactive")
    expect(page.get_by_role("row", name="evening")).not_to_contain_text("inactive")


def test_news_come_over_the_stream_and_not_by_asking_storage(api: Api, open_page: Open) -> None:
    api.log("quiet", ("Hello", "Hi"))
    page = open_page()
    expect(page.get_by_role("row", name="quiet")).to_contain_text("active")
    page.route("**/v1/private/traces/threads?*", lambda route: route.abort())

    api.close("quiet")

    expect(page.get_by_role("row", name="quiet")).to_contain_text("inactive")


def test_columns_show_what_a_thread_is_and_scores_are_columns(api: Api, open_page: Open) -> None:
    [trace_id] = api.log("whole", ("What is a thread?", "A conversation."))
    usage = {"model": "m", "usage": {"total_tokens": 7}, "total_estimated_cost": 0.25}
    api.log_spans(trace_id, [{"offset_ms": 0, "length_ms": 5, "type": "llm", "name": "call", **usage}])
    api.close("whole")
    score = {"thread_id": "whole", "project_name": api.project, "name": "quality", "value": 0.75, "source": "sdk"}
    api.call("PUT", "traces/threads/feedback-scores", {"scores": [score]})
    stored = wait_until(lambda: api.thread("whole"), lambda thread: "feedback_scores" in thread)
    api.call("PATCH", f"traces/threads/{stored['thread_model_id']}", {"tags": ["vip"]})

    page = open_page()

    cells = page.get_by_role("row", name="whole").get_by_role("cell")
    expect(page.get_by_role("columnheader", name="quality")).to_be_visible()
    expect(cells).to_contain_text(
        ["inactive", "whole", "What is a thread?", "A conversation.", "2", "1.0 s", "$0.25", "vip", "0.75"]
    )


def test_search_and_filters_narrow_the_list_and_stay_in_the_address(api: Api, open_page: Open) -> None:
    for name in ("alpha-1", "alpha-2", "beta-1"):
        api.log(name, (f"I am {name}", "Noted."))
    page = open_page()
    expect(page.locator(".thread-table tbody tr")).to_have_count(3)

    page.get_by_role("searchbox", name="Search threads").fill("I AM BETA")
    expect(page.locator(".thread-table tbody tr")).to_have_count(1)
    page.get_by_role("searchbox", name="Search threads").fill("")
    expect(page.locator(".thread-table tbody tr")).to_have_count(3)

    page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_label("Operator").select_option("starts_with")
    page.get_by_label("Value").fill("alpha")
    expect(page.locator(".thread-table tbody tr")).to_have_count(2)

    page.reload()
    expect(page.locator(".thread-table tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Remove the filter Thread id starts with").click()
    expect(page.locator(".thread-table tbody tr")).to_have_count(3)


def test_a_thread_id_can_be_compared_in_all_eight_ways(api: Api, open_page: Open) -> None:
    api.log_threads(("a-1", "b-1", "b-2"))
    expected = {
        "=": {"b-1"}, "!=": {"a-1", "b-2"}, "contains": {"b-1"}, "not_contains": {"a-1", "b-2"},
        "starts_with": {"b-1"}, "ends_with": {"b-1"}, ">": {"b-2"}, "<": {"a-1"},
    }  # fmt: skip
    page = open_page()
    expect(page.locator(".thread-table tbody tr")).to_have_count(3)
    page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_label("Value").fill("b-1")
    for operator, names in expected.items():
        page.get_by_label("Operator").select_option(operator)
        wait_until(lambda: set(rows(page)), lambda seen, names=names: seen == names)  # type: ignore[misc]


def test_a_column_sorts_and_sorts_the_other_way_round(api: Api, open_page: Open) -> None:
    for turns in (1, 3, 2):
        api.log(f"with-{turns}", *[("x", "y")] * turns)
    page = open_page()
    expect(page.locator(".thread-table tbody tr")).to_have_count(3)

    page.get_by_role("button", name="Messages").click()
    expect(page.locator(".thread-table a.id")).to_have_text(["with-3", "with-2", "with-1"])
    expect(page.get_by_role("columnheader", name="Messages")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="Messages").click()
    expect(page.locator(".thread-table a.id")).to_have_text(["with-1", "with-2", "with-3"])

    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/v1/private/traces/threads?*sorting*", hold)
    page.get_by_role("button", name="Duration").click()
    expect(page.locator(".count")).to_have_text("Loading")
    expect(page.locator(".thread-table a.id")).to_have_text(["with-1", "with-2", "with-3"])
    for route in held:
        route.continue_()
    page.unroute("**/v1/private/traces/threads?*sorting*")
    expect(page.locator(".count")).to_have_text("3 threads")


def test_cost_and_scores_sort_by_mouse_and_keyboard_and_stay_in_the_address(api: Api, open_page: Open) -> None:
    name = "quality: overall"
    values = {"good": 0.9, "bad": 0.1, "fair": 0.5}
    for thread_id in (*values, "bare"):
        [trace_id] = api.log(thread_id, ("Well?", "Well."))
        spent = {"total_estimated_cost": values.get(thread_id, 0)}
        api.log_spans(trace_id, [{"offset_ms": 0, "length_ms": 5, "type": "llm", "name": "call", **spent}])
    api.close(*values)
    given = [
        {"thread_id": thread_id, "project_name": api.project, "name": name, "value": 1 - value, "source": "sdk"}
        for thread_id, value in values.items()
    ]
    api.call("PUT", "traces/threads/feedback-scores", {"scores": given})
    for thread_id in values:
        wait_until(lambda one=thread_id: api.thread(one), lambda thread: "feedback_scores" in thread)  # type: ignore[misc]
    page = open_page()
    ids = page.locator(".thread-table a.id")

    page.get_by_role("button", name="Cost").click()
    expect(ids).to_have_text(["good", "fair", "bad", "bare"])
    page.get_by_role("button", name=name).focus()
    page.keyboard.press("Enter")
    expect(ids).to_have_text(["bad", "fair", "good", "bare"])
    page.keyboard.press("Enter")
    expect(ids).to_have_text(["good", "fair", "bad", "bare"])
    page.reload()
    expect(ids).to_have_text(["good", "fair", "bad", "bare"])
    heading = page.get_by_role("columnheader", name=name)
    expect(heading).to_have_attribute("aria-sort", "ascending")
    expect(page.get_by_role("columnheader", name="Cost")).to_have_attribute("aria-sort", "none")


def test_pages_hold_every_thread_once_while_new_ones_come_in(api: Api, open_page: Open) -> None:
    names = {f"t-{number:03}" for number in range(120)}
    api.log_threads(names)
    wait_until(lambda: total(api), lambda found: found == len(names))
    page = open_page()
    expect(page.get_by_text("1 to 50 of 120")).to_be_visible()
    seen = rows(page)

    for number in (2, 3):
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_text(f"{(number - 1) * 50 + 1} to")).to_be_visible()
        seen += rows(page)
        api.log(f"late-{number}", ("x", "y"))
        expect(page.get_by_role("button", name=re.compile("changed meanwhile"))).to_be_visible()

    assert len(seen) == len(names)
    assert set(seen) == names
    page.get_by_role("button", name=re.compile("changed meanwhile")).click()
    expect(page.get_by_role("link", name="late-3", exact=True)).to_be_visible()


def test_the_address_names_the_project_and_the_one_looked_at_last_comes_first(api: Api, open_page: Open) -> None:
    api.log("mine", ("x", "y"))
    page = open_page()
    expect(page.get_by_role("row", name="mine")).to_be_visible()
    other = Api(api.base_url, f"{api.project} 2", key=api.key)
    other.log("other", ("x", "y"))
    other.wait_for_threads()

    page.get_by_role("link", name="Threadline").click()  # an address without a project

    page.wait_for_url(f"**project={api.project_id()}*")
    expect(page.get_by_role("row", name="mine")).to_be_visible()
    expect(page.get_by_role("combobox", name="Project").locator("option", has_text=other.project)).to_be_attached()
    page.get_by_role("combobox", name="Project").select_option(label=other.project)
    expect(page.get_by_role("row", name="other")).to_be_visible()


def total(api: Api) -> int:
    return int(api.call("GET", f"traces/threads?project_name={quote(api.project)}&size=1")["total"])


def test_what_is_empty_or_wrong_is_said_with_what_to_do(api: Api, open_page: Open) -> None:
    api.log("only", ("x", "y"))
    page = open_page(search="nothing like it")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    page.get_by_role("button", name="Show all threads").click()
    expect(page.get_by_role("row", name="only")).to_be_visible()

    def away(route: Route) -> None:
        route.fulfill(status=503, body=json.dumps({"code": 503, "message": "away"}))

    page.route("**/v1/private/traces/threads?*", away)
    page.reload()
    expect(page.get_by_text("Storage is away.")).to_be_visible()
    page.unroute("**/v1/private/traces/threads?*")
    expect(page.get_by_role("row", name="only")).to_be_visible()


def test_the_keyboard_goes_through_the_list_and_opens_a_thread(api: Api, open_page: Open) -> None:
    for name in ("one", "two"):
        api.log(name, (f"I am {name}", "Noted."))
    page = open_page(sort="id:ASC")
    expect(page.locator(".thread-table tbody tr")).to_have_count(2)

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="two")).to_be_visible()
    page.keyboard.press("k")
    expect(page.get_by_role("heading", name="one")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".thread-table tbody tr")).to_have_count(2)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("mark as inactive")
