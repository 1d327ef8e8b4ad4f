"""What happened in a project, in charts."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.page_api import Api

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]


def test_charts_show_what_happened_and_say_the_same_as_a_table(api: Api, open_page: Open) -> None:
    [trace_id, _] = api.log("one", ("x", "y"), ("x", "y"))
    score = {"name": "truth", "value": 0, "source": "sdk", "project_name": api.project}
    api.call("PUT", f"traces/{trace_id}/feedback-scores", score)
    api.log("two", ("x", "y"))
    api.close("two")

    page = open_page(view="overview")

    figures = page.locator(".figures")
    expect(figures).to_contain_text("Open threads now1")
    expect(figures).to_contain_text("Sessions opened2")
    expect(figures).to_contain_text("Messages6")
    charts = page.locator("figure.chart")
    expect(charts).to_have_count(5)
    assert "2" in page.get_by_role("table", name="Sessions").locator("tr").last.inner_text()
    expect(charts.filter(has_text="truth")).not_to_contain_text("nothing in this time")  # zero is a score
    expect(charts.filter(has_text="Close delay")).to_contain_text("nothing in this time")
    page.get_by_role("button", name="7 days").click()
    expect(page.get_by_role("table", name="Sessions").locator("tbody tr")).to_have_count(42)
