"""What the page makes of text and lengths, without drawing."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.chromium
Open = Callable[..., Page]
LENGTHS = {0: "0 ms", 0.25: "0.25 ms", 1.4: "1 ms", 999: "999 ms", 1000: "1.0 s", 59_940: "60 s", 61_000: "1 min 1 s"}
SUMMARIES = {
    "So:\n\n```python\ndef f(a_b): return a_b * 2 * 3\n```\nDone.": "So: def f(a_b): return a_b * 2 * 3 Done.",
    "# Title\n> **Never** say `x`\n- [docs](https://a.example/b)\n1. one": "Title Never say x docs one",
    "| a | b |\n|---|---|\n| 1 | 2 |": "| a | b | | 1 | 2 |",
    "*no* and _maybe_, snake_case, 2*3*4, [not a link]": "no and _maybe_, snake_case, 2*3*4, [not a link]",
    "![chart](data:image/png;base64,AAAA) above": "chart above",
}


def test_lengths_and_summaries_read_as_people_write_them(open_page: Open) -> None:
    page = open_page(stored=False)

    lengths, summaries = page.evaluate(
        """async ([lengths, texts]) => {
        const at = (name) => document.querySelector("script").src.replace("page.js", name);
        const { length } = await import(at("format.js"));
        const { summary } = await import(at("messages.js"));
        return [lengths.map(length), texts.map((text) => summary({ content: text }, "assistant"))];
    }""",
        [list(LENGTHS), list(SUMMARIES)],
    )

    assert lengths == list(LENGTHS.values())
    assert [re.sub(r"\s+", " ", text).strip() for text in summaries] == list(SUMMARIES.values())
