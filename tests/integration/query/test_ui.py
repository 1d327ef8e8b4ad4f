import gzip
import re
from pathlib import Path
from urllib.parse import urljoin

from pipeline.query import ui
from tests.support.reading import Reads

FOLDER = Path(ui.__file__).with_name("ui")
FIRST_PAGE_BYTES_MAX = 200_000
OWN = [script for script in FOLDER.rglob("*.js") if "vendor" not in script.parts]


async def named_files(reads: Reads) -> list[str]:
    page = (await reads.get("/")).body.decode()
    return re.findall(r'(?:src|href)="(ui/[^"]+)"', page)


async def test_the_page_and_its_files_are_served_under_a_policy_that_runs_nothing_else(reads: Reads) -> None:
    for path in ("/", *(f"/{name}" for name in await named_files(reads))):
        answer = await reads.get(path)
        assert answer.status == 200, path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_files_are_kept_for_good_under_the_name_of_their_digest_only(reads: Reads) -> None:
    name = (await named_files(reads))[0]
    assert "immutable" in (await reads.get(f"/{name}")).headers["cache-control"]

    older = re.sub(r"ui/\w+/", "ui/0123456789abcdef/", name)

    assert (await reads.get(f"/{older}")).headers["cache-control"] == "no-store"
    assert (await reads.get("/")).headers["cache-control"] == "no-cache"


async def test_the_link_that_the_sdks_print_leads_to_the_page_of_its_trace(reads: Reads) -> None:
    identity = "01a20291-4e24-76d2-86bc-a025151a663c"

    for base in ("/api", ""):
        printed = f"{base}/v1/session/redirect/projects/"
        answer = await reads.get(printed, trace_id=identity, workspace="w")
        assert answer.status == 307
        assert urljoin(f"http://host:1{printed}", answer.headers["location"]) == f"http://host:1/#trace={identity}"
    behind_a_proxy = urljoin("https://host/threadline/api/v1/session/redirect/projects/", answer.headers["location"])
    assert behind_a_proxy == f"https://host/threadline/#trace={identity}"
    assert (await reads.get(printed, trace_id="//evil.example")).status == 400


async def test_the_first_page_is_small_when_it_is_sent(reads: Reads) -> None:
    names = await named_files(reads)

    sent = [len(gzip.compress((await reads.get(path)).body, 9)) for path in ("/", *(f"/{name}" for name in names))]

    assert sum(sent) < FIRST_PAGE_BYTES_MAX


async def test_the_page_names_every_module_that_it_begins_with_so_that_none_waits_for_another(reads: Reads) -> None:
    needed, left = set[Path](), [FOLDER / "page.js"]
    while left:
        module = left.pop()
        needed.add(module)
        imported = re.findall(r'^import\b[^;]*?from ?"([^"]+)"', module.read_text(), re.MULTILINE)
        left += {(module.parent / name).resolve() for name in imported} - needed

    named = {re.sub(r"^ui/\w+/", "", name) for name in await named_files(reads)}

    assert {module.relative_to(FOLDER).as_posix() for module in needed} == {
        name for name in named if name.endswith(".js")
    }


async def test_the_page_has_no_inline_script_or_style() -> None:
    page = (FOLDER / "index.html").read_text()

    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", page) == []


def test_scripts_make_elements_from_text_only() -> None:
    for script in OWN:
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script.read_text()
        )


def test_every_library_keeps_its_licence() -> None:
    assert len(list((FOLDER / "vendor").glob("LICENSE.*.txt"))) == 5


async def test_nothing_outside_the_folder_is_served(reads: Reads) -> None:
    for name in ("../routes.py", "%2e%2e/routes.py", "index.html", "vendor/"):
        assert (await reads.get(f"/ui/x/{name}")).status == 404
