"""A trace from the inside: its spans as a tree and in time, and each of them in full."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.page_api import Api
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]
MANY = 10_000


def test_view_trace_shows_the_tree_with_times_usage_cost_and_errors(api: Api, open_page: Open) -> None:
    [trace_id] = api.log("inside", ("How?", "So."))
    error = {"exception_type": "IndexStale", "message": "of yesterday"}
    api.log_spans(trace_id, [
        {"name": "agent", "offset_ms": 0, "length_ms": 1000},
        {"name": "call model", "offset_ms": 500, "length_ms": 400, "parent": 0, "type": "llm", "model": "gpt-x",
         "provider": "openai", "usage": {"total_tokens": 70}, "total_estimated_cost": 0.5, "input": {"user": "ask it"},
         "output": {"assistant": "it said"}, "metadata": {"temperature": 0}},
        {"name": "look up", "offset_ms": 100, "length_ms": 200, "parent": 0, "type": "tool", "error_info": error},
    ])  # fmt: skip
    page = open_page(thread="inside")

    page.get_by_role("link", name="View trace").click()

    tree = page.get_by_role("tree", name="Spans")
    expect(tree.get_by_role("treeitem")).to_have_count(4)
    expect(tree.locator(".span-title")).to_have_text(["chat", "agent", "look up", "call model"])
    expect(tree.get_by_role("treeitem").nth(2)).to_contain_text("200 ms")
    assert tree.locator(".span-bar i").nth(3).evaluate("bar => parseFloat(bar.style.left)") == pytest.approx(
        50, abs=0.5
    )
    expect(page.get_by_role("article", name="Trace: chat")).to_contain_text("How?")

    tree.get_by_text("call model").click()
    detail = page.get_by_role("article", name="Span: call model")
    for text in ("gpt-x", "openai", "70 total tokens", "$0.50", "ask it", "it said", '"temperature": 0'):
        expect(detail).to_contain_text(text)
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("article", name="Span: look up")).to_contain_text("IndexStale: of yesterday")

    # The address follows once the hand rests; until then it may still name the span before.
    _, span_id = str(tree.get_attribute("aria-activedescendant")).split()
    page.wait_for_url(f"**span={span_id}*")
    page.reload()
    expect(page.get_by_role("article", name="Span: look up")).to_contain_text("IndexStale: of yesterday")
    page.keyboard.press("Escape")
    expect(page.get_by_role("log", name="Messages")).to_contain_text("So.")


def test_a_branch_is_folded_with_the_arrow_keys(api: Api, open_page: Open) -> None:
    [trace_id] = api.log("folded", ("x", "y"))
    api.log_spans(trace_id, [
        {"name": "parent", "offset_ms": 0, "length_ms": 10},
        {"name": "child", "offset_ms": 1, "length_ms": 2, "parent": 0},
    ])  # fmt: skip
    page = open_page(thread="folded", trace=trace_id)
    tree = page.get_by_role("tree", name="Spans")
    tree.get_by_text("parent").click()

    tree.press("ArrowLeft")
    expect(tree.get_by_role("treeitem")).to_have_count(2)
    tree.press("ArrowRight")
    expect(tree.get_by_role("treeitem")).to_have_count(3)


def test_ten_thousand_spans_scroll_and_only_those_on_the_screen_are_drawn(api: Api, open_page: Open) -> None:
    [trace_id] = api.log("huge", ("x", "y"))
    api.log_spans(trace_id, [{"name": f"span {number}", "offset_ms": number, "length_ms": 5} for number in range(MANY)])
    page = open_page(thread="huge", trace=trace_id)
    tree = page.get_by_role("tree", name="Spans")
    expect(page.get_by_text("10,000 spans")).to_be_visible()

    tree.press("End")

    expect(tree.get_by_text(f"span {MANY - 1}", exact=True)).to_be_in_viewport()
    assert tree.get_by_role("treeitem").count() < 100


def test_a_span_is_scored(api: Api, open_page: Open) -> None:
    [trace_id] = api.log("spans", ("x", "y"))
    [span_id] = api.log_spans(trace_id, [{"name": "step", "offset_ms": 0, "length_ms": 5}])
    page = open_page(thread="spans", trace=trace_id)
    page.get_by_role("tree", name="Spans").get_by_text("step").click()

    page.get_by_role("button", name="Add a score").click()
    page.get_by_label("Name").fill("fit")
    page.get_by_label("Value").fill("1")
    page.get_by_role("button", name="Save score").click()

    expect(page.locator(".detail .chip")).to_contain_text("fit")
    scores = wait_until(lambda: api.call("GET", f"spans/{span_id}").get("feedback_scores"), bool)
    assert [(score["name"], score["value"]) for score in scores] == [("fit", 1)]


def test_spans_that_name_each_other_as_parents_are_all_there_once(open_page: Open) -> None:
    page = open_page(stored=False)

    rows = page.evaluate("""async () => {
        const { rowsOf, treeOf } = await import(document.querySelector("script").src.replace("page.js", "tree.js"));
        const start_time = "2026-11-23T05:00:00Z";
        const circle = [["a", "c"], ["b", "a"], ["c", "b"], ["self", "self"], ["orphan", "gone"]];
        return rowsOf(treeOf(circle.map(([id, parent_span_id]) => ({ id, parent_span_id, start_time }))), new Set())
            .map(({ span }) => span.id);
    }""")

    assert sorted(rows) == ["a", "b", "c", "orphan", "self"]
