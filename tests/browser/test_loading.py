"""Reading from the API into a view."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]


def test_a_reload_kept_from_before_reads_what_is_asked_for_now(open_page: Open) -> None:
    page = open_page(stored=False)

    found = page.evaluate("""async () => {
        const at = (name) => document.querySelector("script").src.replace("page.js", name);
        const { html, render } = await import(at("library.js"));
        const { useLoad } = await import(at("loading.js"));
        let shown = {};
        const View = ({ of }) => { shown = useLoad(async () => of, [of]); return null; };
        const place = document.createElement("div");
        const nextFrame = () => new Promise(requestAnimationFrame);
        const show = async (of) => {
            render(html`<${View} of=${of} />`, place);
            while (shown.value !== of) await nextFrame();
            return shown.reload;
        };
        const kept = await show("one search");
        await show("another");
        const read = await kept();
        await nextFrame();
        await nextFrame();
        return { read, shown: shown.value };
    }""")

    assert found == {"read": "another", "shown": "another"}
