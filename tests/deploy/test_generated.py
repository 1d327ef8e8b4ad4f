import json
from collections.abc import Iterator
from typing import Any

from tests.deploy import capacity, generate
from tests.deploy.generate import CHART, METRICS, NOT_FOR_CLUSTERS, SET_BY_VALUES, variables

AGAIN = "run: .venv/bin/python -m tests.deploy.generate"


def test_the_schema_has_the_settings_that_are_declared() -> None:
    assert (CHART / "values.schema.json").read_text() == generate.schema_text(), AGAIN


def test_the_readme_has_the_values_that_are_declared() -> None:
    assert (CHART / "README.md").read_text() == generate.readme_text(), AGAIN


def test_the_list_of_metrics_has_those_that_are_declared() -> None:
    assert METRICS.read_text() == generate.metrics_text(), AGAIN


def test_the_table_of_capacity_is_of_what_was_measured() -> None:
    assert capacity.GUIDE.read_text() == capacity.guide_text(), AGAIN


def test_settings_that_are_left_out_exist() -> None:
    assert variables().keys() >= SET_BY_VALUES | NOT_FOR_CLUSTERS


def objects(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node:
            yield path, node
        for key, child in node.items():
            yield from objects(child, f"{path}/{key}")


def test_no_object_of_the_schema_takes_a_name_that_it_does_not_know() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    assert [path for path, node in objects(schema) if node.get("additionalProperties") is not False] == []
