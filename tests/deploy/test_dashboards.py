import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.promql import unknown, used

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
BOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in sorted(GRAFANA.glob("*.json"))}
OF_EVERY_PROCESS = ("process_cpu_seconds_total", "process_resident_memory_bytes", "ALERTS{")


def queries(board: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


QUERIES = [(name, title, query) for name, board in BOARDS.items() for title, query in queries(board)]


@pytest.mark.parametrize("query", [pytest.param(query, id=f"{board}: {title}") for board, title, query in QUERIES])
def test_every_query_uses_what_our_processes_show(query: str) -> None:
    assert unknown(query) == set()
    assert used(query) or any(name in query for name in OF_EVERY_PROCESS)


@pytest.mark.promtool
def test_every_query_is_promql(tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": query} for number, (_, _, query) in enumerate(QUERIES)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))

    found = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_numbers_and_places_of_their_own(name: str) -> None:
    panels = BOARDS[name]["panels"]
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


@pytest.mark.parametrize("name", BOARDS)
def test_the_source_of_data_is_chosen_by_whoever_looks(name: str) -> None:
    sources = {panel["datasource"]["uid"] for panel in BOARDS[name]["panels"] if "datasource" in panel}

    assert sources == {"${datasource}"}
    assert BOARDS[name]["templating"]["list"][0]["type"] == "datasource"


def test_links_lead_to_a_dashboard_of_ours() -> None:
    uids = {board["uid"] for board in BOARDS.values()}

    for board in BOARDS.values():
        assert {link["url"].removeprefix("/d/") for link in board["links"]} <= uids - {board["uid"]}
