"""A conversation as a person reads it: whatever shape it was logged in, and however long it is."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.page_api import Api
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
HISTORY = [
    {"role": "system", "content": "Be kind."}, {"role": "user", "content": "old question"},
    {"role": "assistant", "content": "old answer"}, {"role": "user", "content": "new question"},
]  # fmt: skip
ANSWER = {"role": "assistant", "content": "new answer"}
SHAPES: dict[str, tuple[object, object]] = {
    "strings": ("new question", "new answer"),
    "user and assistant": ({"user": "new question"}, {"assistant": "new answer"}),
    "argument of a function": ({"whatever": "new question"}, {"output": "new answer"}),
    "OpenAI chat": ({"messages": HISTORY}, {"choices": [{"message": ANSWER, "index": 0}]}),
    "LangGraph": ({"messages": HISTORY}, {"messages": [*HISTORY, ANSWER]}),
    "LangChain": (
        {"input": "new question"},
        {"output": {"content": "new answer", "type": "ai", "additional_kwargs": {}}},
    ),
    "LangChain messages": (
        {"messages": [{"type": "human", "content": "new question"}]},
        {"messages": [{"type": "human", "content": "new question"}, {"type": "ai", "content": "new answer"}]},
    ),
    "Responses": (
        {"input": HISTORY},
        {"output": [
            {"type": "reasoning", "summary": []},
            {"role": "assistant", "type": "message", "content": [{"type": "output_text", "text": "new answer"}]},
        ]},
    ),
    "GenAI": (
        {"contents": [{"role": "user", "parts": [{"text": "new question"}]}]},
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "new answer"}]}}]},
    ),
    "ADK": (
        {"role": "user", "parts": [{"text": "new question"}]},
        {"content": {"parts": [{"text": "new answer"}], "role": "model"}, "usage_metadata": {"total": 3}},
    ),
    "OpenTelemetry": (
        {"messages": [
            {"role": "user", "parts": [{"type": "text", "content": "old question"}]},
            {"role": "assistant", "parts": [{"type": "text", "content": "old answer"}]},
            {"role": "user", "parts": [{"type": "text", "content": "new question"}]},
        ]},
        {"messages": [{"role": "assistant", "finish_reason": "stop", "parts": [
            {"type": "reasoning", "content": "So they ask."}, {"type": "text", "content": "new answer"},
        ]}]},
    ),
    "OpenInference": (
        {"messages": [{"role": "user", "contents": [{"type": "text", "text": "new question"}]}]},
        {"messages": [{"role": "assistant", "content": "new answer"}]},
    ),
}  # fmt: skip


def test_every_shape_reads_question_then_answer_and_repeats_no_history(api: Api, open_page: Open) -> None:
    api.log("shapes", *SHAPES.values())

    page = open_page(thread="shapes")

    turns = page.locator(".turn")
    expect(turns).to_have_count(len(SHAPES))
    for number, name in enumerate(SHAPES):
        turn = turns.nth(number)
        turn.scroll_into_view_if_needed()
        expect(turn.locator(".bubble.user .prose"), name).to_have_text("new question")
        expect(turn.locator(".bubble.assistant .prose"), name).to_have_text("new answer")


def test_instructions_tools_and_pictures_are_told_from_what_was_said(api: Api, open_page: Open) -> None:
    weather = {"type": "tool_call", "id": "1", "name": "weather", "arguments": {"city": "Oslo"}}
    kind = [{"type": "text", "content": "Be kind."}]
    asked = {"role": "user", "parts": [
        {"type": "text", "content": "Is it like this?"},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": DOT},
    ]}  # fmt: skip
    called = {"role": "assistant", "parts": [weather]}
    answered = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": {"sky": "clear"}}]}
    first = ({"messages": [asked], "system_instructions": kind}, {"messages": [called]})
    second = ({"messages": [asked, called, answered], "system_instructions": kind}, "Yes.")
    api.log("told apart", first, second)

    page = open_page(thread="told apart")

    turns = page.locator(".turn")
    expect(turns).to_have_count(2)
    expect(turns.nth(0).locator(".bubble.user .prose")).to_have_text("Is it like this?")
    expect(turns.nth(0).locator(".bubble.user img")).to_have_attribute("src", f"data:image/png;base64,{DOT}")
    turns.nth(0).get_by_text("System instructions").click()
    expect(turns.nth(0).get_by_text("Be kind.")).to_be_visible()
    turns.nth(0).get_by_text("weather").click()
    expect(turns.nth(0).get_by_label("JSON", exact=True)).to_contain_text('"city": "Oslo"')
    turns.nth(1).get_by_text("result").click()
    expect(turns.nth(1).get_by_label("JSON", exact=True)).to_contain_text('"sky": "clear"')


def test_markdown_code_and_pictures_are_drawn(api: Api, open_page: Open) -> None:
    markdown = "**bold** and\n\n```python\ndef f(): return 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    picture = [{"role": "user", "content": [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DOT}"}},
    ]}]  # fmt: skip
    api.log("drawn", ("Show me", markdown), ({"messages": picture}, "A dot."))

    page = open_page(thread="drawn")

    answer = page.locator(".bubble.assistant").first
    expect(answer.locator("strong")).to_have_text("bold")
    expect(answer.locator("pre .hljs-keyword").first).to_have_text("def")
    expect(answer.locator("td")).to_have_text(["1", "2"])
    expect(page.locator(".bubble.user img")).to_have_attribute("src", f"data:image/png;base64,{DOT}")


def test_a_failed_turn_shows_its_error_as_one(api: Api, open_page: Open) -> None:
    error = {"exception_type": "TimeoutError", "message": "no answer within 30 s", "traceback": "line 12, in answer"}
    api.log("failed", ("Hello?", None), error_info=error)

    page = open_page(thread="failed")

    expect(page.locator(".failed-title")).to_have_text("TimeoutError: no answer within 30 s")
    page.get_by_text("Traceback").click()
    expect(page.get_by_text("line 12, in answer")).to_be_visible()


def test_long_messages_are_folded_and_the_raw_trace_is_one_click_away(api: Api, open_page: Open) -> None:
    long = "word " * 6000 + "the end"
    api.log("long", ({"user": long}, {"assistant": "Short."}))

    page = open_page(thread="long")

    unfold = page.get_by_role("button", name="Show all 30,007 characters")
    expect(unfold).to_be_visible()
    expect(page.locator(".bubble.user")).not_to_contain_text("the end")
    unfold.click()
    expect(page.locator(".bubble.user")).to_contain_text("the end")
    page.get_by_role("button", name="Raw JSON").click()
    expect(page.get_by_label("Raw trace")).to_contain_text('"name": "chat"')


def test_five_hundred_turns_are_read_from_the_end_and_back(api: Api, open_page: Open) -> None:
    api.log("endless", *[(f"question {number}", f"answer {number}") for number in range(500)])
    wait_until(lambda: api.thread("endless").get("number_of_messages"), lambda count: count == 1000)

    page = open_page(thread="endless")

    messages = page.get_by_role("log", name="Messages")
    expect(messages.get_by_text("answer 499")).to_be_in_viewport()
    page.locator(".turn").last.evaluate("turn => { turn.isKept = true; }")
    for shown in (200, 300, 400, 500):
        page.get_by_role("button", name="Show earlier turns").evaluate("button => button.click()")
        expect(page.locator(".turn")).to_have_count(shown)
    assert page.locator(".turn").last.evaluate("turn => turn.isKept"), "what was there is not drawn anew"
    expect(page.locator(".divider", has_text="59 s later")).to_have_count(0)
    # What is off the screen is neither laid out nor given its form: that is what keeps scrolling smooth.
    assert page.locator(".prose:not(.raw)").count() < 400
    page.locator(".turn").first.scroll_into_view_if_needed()
    expect(messages.get_by_text("answer 0", exact=True)).to_be_in_viewport()


SCROLL_UP_AND_DRAW = """async () => {
    const flow = document.querySelector(".flow");
    flow.scrollTop = 0;
    document.querySelector(".turn").click();
    for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
    return flow.scrollTop;
}"""


def test_who_scrolls_up_while_something_is_drawn_is_not_taken_back_to_the_end(api: Api, open_page: Open) -> None:
    api.log("up", *[(f"question {turn}", f"answer {turn}") for turn in range(30)])
    page = open_page(thread="up")
    messages = page.get_by_role("log", name="Messages")  # the list shows the last one, too, as soon as it knows it
    expect(messages.get_by_text("answer 29", exact=True)).to_be_in_viewport()

    assert page.evaluate(SCROLL_UP_AND_DRAW) == 0


def test_new_turns_appear_and_gaps_are_said(api: Api, open_page: Open) -> None:
    api.log("goes on", ("One", "1"), ("Two", "2"))
    page = open_page(thread="goes on")
    expect(page.locator(".turn")).to_have_count(2)

    api.log("goes on", ("Three", "3"), start_time="2026-11-23T07:00:00Z", end_time="2026-11-23T07:00:01Z")

    expect(page.locator(".turn")).to_have_count(3)
    expect(page.get_by_text("1 h 58 min later")).to_be_visible()


def test_a_narrow_screen_shows_the_list_then_the_conversation(api: Api, open_page: Open) -> None:
    api.log("narrow", *[(f"question {number}", f"answer {number}") for number in range(12)])
    page = open_page(size=(390, 780))
    expect(page.get_by_role("link", name="narrow")).to_be_visible()
    shown = "[...document.querySelectorAll('td')].filter((cell) => getComputedStyle(cell).display !== 'none').length"
    assert page.evaluate(shown) == 5  # status, id, first and last message, last activity

    page.get_by_role("link", name="narrow").click()
    newest = page.get_by_role("log", name="Messages").get_by_text("answer 11")
    expect(newest).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    aside = page.get_by_role("button", name="Scores, tags, comments and sessions")
    expect(page.get_by_label("About this thread")).to_be_hidden()
    aside.click()
    expect(page.get_by_label("Add a comment")).to_be_in_viewport()
    expect(newest).to_be_hidden()
    aside.click()
    expect(newest).to_be_in_viewport()
    page.get_by_role("button", name="Back to the list").click()

    expect(page.get_by_role("link", name="narrow")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
