"""The page as a person uses it, in Debian's Chromium, against the whole stack."""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uuid_utils.compat as uuids
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.running import RunningStack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chromium

PROJECT = "Page"
HOSTILE = (
    "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\"> [x](javascript:alert(1))"
)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with RunningStack(tmp_path_factory.mktemp("page"), "--thread-timeout", "10m") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, stack: RunningStack) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.goto(stack.base_url)
    yield opened
    opened.close()
    assert faults == []


def call(stack: RunningStack, method: str, path: str, body: object) -> Any:
    request = urllib.request.Request(  # noqa: S310
        f"{stack.base_url}/api/v1/private/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        content = answer.read()
    return json.loads(content) if content else None


def log_turn(stack: RunningStack, thread_id: str, question: object, answer: object) -> str:
    trace_id = str(uuids.uuid7())
    trace = {
        "id": trace_id, "project_name": PROJECT, "thread_id": thread_id, "name": "chat", "input": question,
        "output": answer, "start_time": "2026-11-23T05:00:00Z", "end_time": "2026-11-23T05:00:01Z",
    }  # fmt: skip
    call(stack, "POST", "traces/batch", {"traces": [trace]})
    return trace_id


def retrieve(stack: RunningStack, thread_id: str) -> dict[str, Any]:
    wanted = {"project_name": PROJECT, "thread_id": thread_id}
    return dict(call(stack, "POST", "traces/threads/retrieve", wanted))


def open_thread(page: Page, thread_id: str) -> None:
    page.get_by_role("button", name=thread_id).first.click()


def test_a_new_conversation_appears_by_itself_and_reads_question_then_answer(stack: RunningStack, page: Page) -> None:
    log_turn(stack, "reads", {"user": "What is a thread?"}, {"assistant": "A conversation."})

    open_thread(page, "reads")

    log = page.get_by_role("log", name="Messages")
    expect(log.locator(".bubble")).to_contain_text(["What is a thread?", "A conversation."])


def test_thumbs_up_is_stored_as_a_score_of_the_trace(stack: RunningStack, page: Page) -> None:
    trace_id = log_turn(stack, "rated", "Is it good?", "It is.")
    open_thread(page, "rated")

    page.get_by_role("button", name="Good answer").click()

    expect(page.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
    scores = wait_until(
        lambda: call(stack, "GET", f"traces/{trace_id}", None).get("feedback_scores"), bool, seconds_max=10
    )
    assert [(score["value"], score["source"]) for score in scores] == [(1, "ui")]


def test_marking_as_inactive_and_reopening_show_without_reload(stack: RunningStack, page: Page) -> None:
    log_turn(stack, "closed", "Done?", "Done.")
    open_thread(page, "closed")

    page.get_by_role("button", name="Mark as inactive").click()
    page.get_by_role("button", name="Reopen").wait_for()
    assert retrieve(stack, "closed")["status"] == "inactive"

    page.get_by_role("button", name="Reopen").click()
    page.get_by_role("button", name="Mark as inactive").wait_for()
    assert retrieve(stack, "closed")["status"] == "active"


def test_hostile_content_is_text_and_nothing_else(stack: RunningStack, page: Page) -> None:
    log_turn(stack, "hostile", HOSTILE, HOSTILE)

    open_thread(page, "hostile")

    expect(page.get_by_role("log", name="Messages")).to_contain_text("onerror=")
    expect(page).to_have_title("Threadline")
    assert page.locator("main img, main script, main a[href^=javascript]").count() == 0


def test_a_narrow_screen_shows_the_list_then_the_conversation(stack: RunningStack, page: Page, tmp_path: Path) -> None:
    log_turn(stack, "narrow", "Small?", "Yes.")
    page.set_viewport_size({"width": 390, "height": 780})

    open_thread(page, "narrow")
    expect(page.get_by_role("log", name="Messages")).to_be_visible()
    page.screenshot(path=tmp_path / "narrow.png")
    page.get_by_role("button", name="Back to the list").click()

    expect(page.get_by_role("heading", name="Threads")).to_be_visible()
