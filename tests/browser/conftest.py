"""One stack and one browser for all tests of the page; each test has a project and a page of its own.

API keys are in force, so that every view and every write is seen to work with one. Browser and stack end with the last
of these tests: the browser's driver runs an event loop for as long as it is open, and other tests have their own.
"""

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from pipeline.adapters.web.keys import RIGHTS
from pipeline.commands.keys import Wanted, create
from tests.support.page_api import Api
from tests.support.running import RunningStack

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WAIT_MS_MAX = 90_000
"""For whatever the page has to show: the machine may be busy."""

Open = Callable[..., Page]

_ENTERED = """
if (!sessionStorage.getItem("entered")) {
    sessionStorage.setItem("entered", "once, as a person does");
    sessionStorage.setItem("threadline.key", %s);
}"""


class Keys(NamedTuple):
    """The file of keys, one that may do everything, and one that may only read."""

    file: Path
    full: str
    reading: str


@pytest.fixture(scope="package")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    full = create(file, Wanted("everything", workspaces=["*"], rights=RIGHTS))
    return Keys(file, full, create(file, Wanted("reader", workspaces=["*"], rights=["read"])))


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Iterator[RunningStack]:
    environment = {"THREADLINE_GATEWAY_KEYS_FILE": str(keys.file)}
    with RunningStack(tmp_path_factory.mktemp("page"), "--thread-timeout", "10m", environment=environment) as running:
        yield running


expect.set_options(timeout=WAIT_MS_MAX)


@pytest.fixture(scope="package")
def tabs() -> Iterator[BrowserContext]:
    """One window for all tests: a window takes longer to open than most of them to run."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        try:
            yield browser.new_context()
        finally:
            browser.close()


@pytest.fixture
def api(stack: RunningStack, keys: Keys) -> Api:
    return Api(stack.base_url, f"Page {uuid.uuid4().hex[:8]}", key=keys.full)


@pytest.fixture
def faults() -> list[str]:
    """What went wrong inside the page; a test that expects something takes it out."""
    return []


@pytest.fixture
def open_page(tabs: BrowserContext, api: Api, keys: Keys, faults: list[str]) -> Iterator[Open]:
    """Open the page at this test's project, once storage knows its threads, at what the arguments say.

    The tab has the key that may do everything; another one, or none, where `key` says so.
    """
    opened: list[Page] = []

    def open_(
        *,
        size: tuple[int, int] = (1280, 800),
        scheme: Any = "light",
        stored: bool = True,
        key: str = keys.full,
        **address: str,
    ) -> Page:
        page = tabs.new_page()
        page.add_init_script(_ENTERED % json.dumps(key))
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme)
        page.set_default_timeout(WAIT_MS_MAX)
        page.on("pageerror", lambda error: faults.append(error.stack or str(error)))
        page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
        opened.append(page)
        if stored:
            api.wait_for_threads()
            address = {"project": api.project_id(), **address}
        page.goto(f"{api.base_url}/#{'&'.join(f'{name}={value}' for name, value in address.items())}")
        return page

    try:
        yield open_
    finally:
        for page in opened:
            page.evaluate("localStorage.clear()")
            page.close()
    assert faults == []
