"""One stack and one browser for all tests of the page; each test has a project and a page of its own."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from tests.support.page_api import Api
from tests.support.running import RunningStack

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WAIT_MS_MAX = 30_000
"""For whatever the page has to show: the machine may be busy."""

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with RunningStack(tmp_path_factory.mktemp("page"), "--thread-timeout", "10m") as running:
        yield running


expect.set_options(timeout=WAIT_MS_MAX)


@pytest.fixture(scope="session")
def tabs() -> Iterator[BrowserContext]:
    """One window for all tests: a window takes longer to open than most of them to run."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser.new_context()
        browser.close()


@pytest.fixture
def api(stack: RunningStack) -> Api:
    return Api(stack.base_url, f"Page {uuid.uuid4().hex[:8]}")


@pytest.fixture
def faults() -> list[str]:
    """What went wrong inside the page; a test that expects something takes it out."""
    return []


@pytest.fixture
def open_page(tabs: BrowserContext, api: Api, faults: list[str]) -> Iterator[Open]:
    """Open the page at this test's project, once storage knows it, at what the arguments say."""
    opened: list[Page] = []

    def open_(
        *, size: tuple[int, int] = (1280, 800), scheme: Any = "light", stored: bool = True, **address: str
    ) -> Page:
        page = tabs.new_page()
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

    yield open_
    for page in opened:
        page.evaluate("localStorage.clear()")
        page.close()
    assert faults == []
