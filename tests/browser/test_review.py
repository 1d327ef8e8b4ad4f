"""What people say about conversations: it shows at once, and the API then says the same."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.page_api import Api
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]


def stored(read: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    return wait_until(read, holds)


def test_thumbs_are_stored_as_a_score_of_the_trace_and_taken_back(api: Api, open_page: Open) -> None:
    [trace_id] = api.log("rated", ("Is it good?", "It is."))
    page = open_page(thread="rated")
    up = page.get_by_role("button", name="Good answer")

    up.click()
    expect(up).to_have_attribute("aria-pressed", "true")
    [score] = stored(lambda: api.trace(trace_id).get("feedback_scores", []), bool)
    assert (score["name"], score["value"], score["source"]) == ("user_feedback", 1, "ui")

    page.keyboard.press("d")
    expect(page.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "true")
    stored(lambda: api.trace(trace_id)["feedback_scores"][0]["value"], lambda value: value == 0)

    page.keyboard.press("d")
    expect(page.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "false")
    stored(lambda: api.trace(trace_id), lambda trace: "feedback_scores" not in trace)


def test_an_answer_is_scored_with_category_and_reason_and_the_score_deleted(api: Api, open_page: Open) -> None:
    [trace_id] = api.log("scored", ("Is it true?", "It is."))
    page = open_page(thread="scored")

    page.get_by_role("button", name="Score this answer").click()
    form = page.get_by_role("form", name="Score this answer")
    form.get_by_label("Name").fill("truth")
    form.get_by_label("Value").fill("0.5")
    form.get_by_label("Category").fill("facts")
    form.get_by_label("Reason").fill("half of it")
    form.get_by_role("button", name="Save score").click()

    chip = page.locator(".turn .chip", has_text="truth")
    expect(chip).to_contain_text("0.5")
    [score] = stored(lambda: api.trace(trace_id).get("feedback_scores", []), bool)
    assert (score["value"], score["category_name"], score["reason"]) == (0.5, "facts", "half of it")
    page.get_by_role("button", name="Delete the score truth").click()
    expect(chip).to_have_count(0)
    stored(lambda: api.trace(trace_id), lambda trace: "feedback_scores" not in trace)


def test_a_thread_is_scored_once_it_is_over_and_the_control_says_why_not_before(api: Api, open_page: Open) -> None:
    api.log("judged", ("Done?", "Done."))
    page = open_page(thread="judged")
    button = page.get_by_role("button", name="Score this conversation")
    expect(button).to_be_disabled()
    expect(page.get_by_text("A conversation is scored once it is over")).to_be_visible()

    page.get_by_text("A conversation is scored").get_by_role("button", name="Mark as inactive").click()
    expect(button).to_be_enabled()
    button.click()
    form = page.get_by_role("form", name="Score this conversation")
    form.get_by_label("Name").fill("quality")
    form.get_by_label("Value").fill("1")
    form.get_by_role("button", name="Save score").click()

    expect(page.get_by_label("About this thread").locator(".chip")).to_contain_text("quality")
    [score] = stored(lambda: api.thread("judged").get("feedback_scores", []), bool)
    assert (score["name"], score["value"]) == ("quality", 1)
    # Reopened, the conversation has more to say: the human score does not stand for it any more.
    expect(page.get_by_text("Saving")).to_have_count(0)
    page.keyboard.press("i")
    expect(page.get_by_label("About this thread").locator(".chip")).to_have_count(0)
    assert api.thread("judged")["status"] == "active"


def test_marking_as_inactive_and_reopening_show_without_reload_and_in_the_history(api: Api, open_page: Open) -> None:
    api.log("closed", ("Done?", "Done."))
    page = open_page(thread="closed")

    page.get_by_role("button", name="Mark as inactive").first.click()
    expect(page.get_by_role("button", name="Reopen")).to_be_visible()
    stored(lambda: api.thread("closed")["status"], lambda status: status == "inactive")
    expect(page.get_by_label("About this thread")).to_contain_text("marked as inactive")

    page.get_by_role("button", name="Reopen").click()
    expect(page.get_by_role("button", name="Mark as inactive").first).to_be_visible()
    stored(lambda: api.thread("closed")["status"], lambda status: status == "active")
    expect(page.locator(".sessions li")).to_have_count(2)
    expect(page.locator(".sessions li").first).to_contain_text("open now")


def test_tags_and_comments_of_a_thread_are_added_changed_and_taken_away(api: Api, open_page: Open) -> None:
    api.log("remarked", ("x", "y"))
    page = open_page(thread="remarked")
    side = page.get_by_label("About this thread")

    side.get_by_label("Add a tag").fill("urgent")
    page.keyboard.press("Enter")
    side.get_by_label("Add a comment").fill("Look at this")
    side.get_by_role("button", name="Comment", exact=True).click()
    expect(side.locator(".tag")).to_contain_text("urgent")
    expect(side.locator(".comment")).to_contain_text("Look at this")
    stored(lambda: api.thread("remarked"), lambda thread: thread.get("tags") == ["urgent"] and "comments" in thread)

    side.get_by_role("button", name="Change this comment").click()
    side.get_by_label("Change the comment").fill("Look twice")
    side.get_by_role("button", name="Save").click()
    expect(side.locator(".comment")).to_contain_text("Look twice")
    stored(lambda: api.thread("remarked")["comments"][0]["text"], lambda text: text == "Look twice")

    side.get_by_role("button", name="Delete this comment").click()
    side.get_by_role("button", name="Remove the tag urgent").click()
    expect(side.locator(".tag, .comment")).to_have_count(0)
    stored(lambda: api.thread("remarked"), lambda thread: "comments" not in thread and "tags" not in thread)


def test_tags_and_comments_of_a_turn_are_those_of_its_trace(api: Api, open_page: Open) -> None:
    [trace_id] = api.log("turn", ("x", "y"))
    page = open_page(thread="turn")
    page.get_by_role("button", name="Comments and tags").click()
    remarks = page.get_by_label("Comments and tags of this turn")

    remarks.get_by_label("Add a tag").fill("odd")
    page.keyboard.press("Enter")
    remarks.get_by_label("Add a comment").fill("Why?")
    page.keyboard.press("Control+Enter")

    expect(remarks.locator(".comment")).to_contain_text("Why?")
    trace = stored(lambda: api.trace(trace_id), lambda trace: "tags" in trace and "comments" in trace)
    assert (trace["tags"], [comment["text"] for comment in trace["comments"]]) == (["odd"], ["Why?"])


def test_a_write_that_fails_is_taken_back_and_said(api: Api, open_page: Open) -> None:
    api.log("refused", ("x", "y"))
    page = open_page(thread="refused")

    def busy(route: Route) -> None:
        route.fulfill(status=429, body="{}")

    page.route("**/feedback-scores", busy)
    page.get_by_role("button", name="Good answer").click()

    expect(page.get_by_role("alert")).to_contain_text("The score was not saved.")
    expect(page.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "false")
