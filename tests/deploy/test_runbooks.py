import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import yaml

from pipeline.adapters.clickhouse import migrations
from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.cli import threadline
from pipeline.local.process import ChildProcess, free_port
from pipeline.settings import ClickHouseSettings
from pipeline.stream.table import CHANGELOG
from pipeline.topics import GROUPS, STORED
from tests.deploy.generate import variables
from tests.deploy.promql import unknown
from tests.deploy.test_alerts import ALERTS

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "deploy" / "runbooks"
PAGES = {path.name: path.read_text() for path in sorted(RUNBOOKS.glob("*.md")) if path.name != "README.md"}
GUIDES = ("README.md", "../operations.md", "../metrics.md")
ALL = {**PAGES, **{name: (RUNBOOKS / name).read_text() for name in GUIDES}}
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PARTS = ["What it means", "How to look", "What to do", "When to call somebody"]


def blocks(text: str, language: str) -> Iterator[str]:
    yield from re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)


def statements() -> list[tuple[str, str]]:
    return [
        (name, statement.strip())
        for name, text in PAGES.items()
        for block in blocks(text, "sql")
        for statement in block.split(";")
        if statement.strip()
    ]


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_the_same_parts_and_its_alerts(name: str) -> None:
    assert re.findall(r"^## (.+)$", PAGES[name], re.MULTILINE) == PARTS
    named = set(re.findall(r"`(Threadline\w+)`", re.search(r"^Alerts: (.+)$", PAGES[name], re.MULTILINE)[1]))  # type: ignore[index]
    assert named == {alert for alert, rule in ALERTS.items() if rule["annotations"]["runbook"].endswith(f"/{name}")}
    assert named


@pytest.mark.parametrize("name", ALL)
def test_links_lead_to_pages_that_exist(name: str) -> None:
    headings = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in HEADING.findall(ALL[name])}
    for target in re.findall(r"\]\(([^)]+)\)", ALL[name]):
        page, _, heading = target.partition("#")
        assert (RUNBOOKS / name).parent.joinpath(page).exists()
        assert page or heading in headings


@pytest.mark.parametrize("name", ALL)
def test_commands_settings_values_and_groups_are_real(name: str) -> None:
    text = ALL[name]
    values = yaml.safe_load((ROOT / "helm" / "values.yaml").read_text())

    code = "\n".join([*re.findall(r"`[^`\n]+`", text), *blocks(text, "bash")])
    assert set(re.findall(r"(?<![\w=-])threadline ([a-z]+)", code)) <= threadline.commands.keys()
    assert set(re.findall(r"\b(?:THREADLINE|OPIK)_\w+", text)) <= variables().keys()
    assert set(re.findall(r"--group ([\w-]+)", text)) <= GROUPS.keys()
    assert set(re.findall(r"--entity-name (\S+)", text)) <= {topic.name for topic in STORED}
    for path in re.findall(
        r"`((?:kafka|clickhouse|serve|worker|evaluate|sink|migrate|networkPolicy|topologySpread)\.[\w.]+)", text
    ):
        branch = values
        for key in path.split("."):
            assert key in branch, path
            branch = branch[key]


def test_topics_that_are_deleted_for_more_partitions_are_those_that_are_made_anew() -> None:
    [listed] = re.findall(r"for topic in (.+); do\n *kafka-topics\.sh", ALL["../operations.md"])
    replayed = re.findall(r"for topic in (.+); do\n *threadline replay", ALL["../operations.md"])

    assert set(listed.split()) == {*(topic.name for topic in STORED), CHANGELOG.name}
    assert [set(topics.split()) for topics in replayed] == [{topic.name for topic in STORED}]


@pytest.mark.parametrize("name", ALL)
def test_queries_use_what_our_processes_show(name: str) -> None:
    for block in blocks(ALL[name], "promql"):
        assert unknown(block) == set()


@pytest.mark.promtool
def test_queries_are_promql(tmp_path: Path) -> None:
    queries = [
        query
        for text in ALL.values()
        for block in blocks(text, "promql")
        for query in block.splitlines()
        if query.strip()
    ]
    path = tmp_path / "queries.yaml"
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))

    found = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)

    assert queries
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[ClickHouse]:
    """The embedded ClickHouse with our tables."""
    port = free_port()
    listens = asyncio.Event()
    argv = [
        sys.executable,
        "-m",
        "pipeline.local.clickhouse",
        "--port",
        str(port),
        "--path",
        str(tmp_path / "clickhouse"),
    ]
    child = await ChildProcess.start(
        argv, env=None, on_line=lambda line: listens.set() if "listens on" in line else None
    )
    try:
        await asyncio.wait_for(listens.wait(), 120)
        async with ClickHouse(ClickHouseSettings(port=port)) as client:
            await migrations.apply(client)
            yield client
    finally:
        await child.terminate(60)


async def test_statements_run_on_our_tables(storage: ClickHouse) -> None:
    assert statements()
    for page, statement in statements():
        try:
            await storage.rows(statement)
        except Exception as error:
            raise AssertionError(f"{page}: {statement}") from error
