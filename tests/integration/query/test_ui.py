import re
from pathlib import Path

from pipeline.query import ui
from tests.support.reading import Reads

FOLDER = Path(ui.__file__).with_name("ui")


async def test_the_page_and_its_files_are_served_under_a_policy_that_runs_nothing_else(reads: Reads) -> None:
    for path in ("/", *(f"/ui/{file.name}" for file in FOLDER.iterdir())):
        answer = await reads.get(path)
        assert answer.status == 200, path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_page_has_no_inline_script_or_style() -> None:
    page = (FOLDER / "index.html").read_text()

    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", page) == []


def test_scripts_make_elements_from_text_only() -> None:
    for script in FOLDER.glob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", script.read_text())


async def test_nothing_outside_the_folder_is_served(reads: Reads) -> None:
    assert (await reads.get("/ui/../routes.py")).status == 404
    assert (await reads.get("/ui/%2e%2e/routes.py")).status == 404
