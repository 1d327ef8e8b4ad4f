"""Whatever a message contains is shown and nothing else: it runs nothing, fetches nothing, and disguises nothing."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.page_api import Api

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]

ATTACKS = (
    "<script>document.title='taken'</script>",
    "<img src=x onerror=\"document.title='taken'\">",
    "<svg onload=\"document.title='taken'\"><script>document.title='taken'</script></svg>",
    "[press me](javascript:document.title='taken')",
    "[press me](java\nscript:document.title='taken')",
    "![x](javascript:document.title='taken')",
    '<iframe srcdoc="<script>parent.document.title=1</script>"></iframe>',
    "<math><mtext><table><mglyph><style><img src=x onerror=document.title='taken'>",
    "![far](https://far.example/pixel.png)",
    "```html\n<script>document.title='taken'</script>\n```",
    '<a href="x" style="position:fixed;inset:0">cover</a>',
    "\u202egnp.exe",
)


def test_hostile_messages_run_nothing_and_fetch_nothing(api: Api, open_page: Open) -> None:
    whole = "\n\n".join(ATTACKS)
    api.log(
        "hostile", *[(attack, attack) for attack in ATTACKS], (whole, {"choices": [{"message": {"content": whole}}]})
    )
    page = open_page(thread="hostile")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    turns = page.locator(".turn")
    expect(turns).to_have_count(len(ATTACKS) + 1)

    for number in range(len(ATTACKS) + 1):
        turns.nth(number).scroll_into_view_if_needed()
        expect(turns.nth(number).locator(".prose.raw")).to_have_count(0)

    forbidden = "main :is(script, iframe, object, embed, style, form[action], [onerror], [onload])"
    assert page.locator(forbidden).count() == 0
    assert page.locator(".bubble :is(a[href^='java' i], [style])").count() == 0
    assert page.locator(".bubble img").count() == 0
    assert [url for url in asked if "127.0.0.1" not in url and not url.startswith("data:")] == []
    expect(page).to_have_title("hostile · Threadline")
    expect(turns.nth(1).locator(".bubble.user")).to_contain_text("onerror=")
    expect(turns.nth(11).locator(".bubble.user")).to_contain_text("[RLO]gnp.exe")


def test_an_image_from_elsewhere_is_fetched_only_when_asked_for(api: Api, open_page: Open) -> None:
    api.log("far", ("Where?", "![far](https://far.example/pixel.png)"))
    page = open_page(thread="far")
    page.route("https://far.example/**", lambda route: route.abort())

    with page.expect_request("https://far.example/pixel.png") as asked:
        page.get_by_role("button", name="Show the image from far.example").click()

    assert "referer" not in asked.value.headers


def test_hostile_names_do_no_harm_in_the_list_and_beside_a_conversation(api: Api, open_page: Open) -> None:
    name = "<img src=x onerror=document.title='taken'>\u202e&#'\"%"
    [trace_id] = api.log(name, ({"user": "x" * 200_000}, {"__proto__": {"assistant": "polluted"}}), tags=[name])
    api.call("PUT", f"traces/{trace_id}/feedback-scores", {"name": name, "value": 1, "source": "sdk", "reason": name})

    page = open_page()
    page.get_by_role("row", name="onerror").get_by_role("link").click()

    expect(page.get_by_role("heading", name="onerror")).to_contain_text("[RLO]")
    expect(page.locator(".turn .chip")).to_contain_text("onerror")
    assert page.locator("main img").count() == 0
    assert page.evaluate("({}).assistant") is None
