from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec
import pytest
from starlette.routing import BaseRoute

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import ManualClock
from pipeline.adapters.kafka.consumer import LogRecord
from pipeline.adapters.web.app import build
from pipeline.commands.openapi import BODIES, PATH, QUERIES, WITHOUT_BODY, document, document_route, operations
from pipeline.gateway.live import Live
from pipeline.query.routes import Query
from pipeline.settings import ClickHouseSettings, GatewaySettings, QuerySettings
from tests.support.asgi import call
from tests.support.gateway import MemoryGateway


async def nothing_happens() -> AsyncGenerator[Sequence[LogRecord]]:
    yield []


@pytest.fixture(scope="module")
def routes() -> list[BaseRoute]:
    query = Query(QuerySettings(), ManualClock(), ClickHouse(ClickHouseSettings()))
    live = Live(GatewaySettings(), nothing_happens)
    return [*live.routes(), *MemoryGateway().gateway.routes(), *query.routes()]


@pytest.fixture(scope="module")
def described(routes: list[BaseRoute]) -> Any:
    return msgspec.json.decode(document(routes))


def test_every_route_of_the_api_is_in_the_document(routes: list[BaseRoute], described: Any) -> None:
    named = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}

    assert named == {(operation.method, operation.route.path) for operation in operations(routes)}
    assert len(named) > 50


def test_every_operation_that_may_have_a_body_says_which_and_none_is_described_that_is_not_there(
    routes: list[BaseRoute],
) -> None:
    found = {operation.name for operation in operations(routes)}
    with_body = {name for name in found if name.split()[0] in {"POST", "PUT", "PATCH"}}

    assert with_body - WITHOUT_BODY == set(BODIES)
    assert set(QUERIES) | WITHOUT_BODY <= found


def test_every_reference_points_to_a_schema(described: Any) -> None:
    def references(tree: Any) -> set[str]:
        if isinstance(tree, list):
            return set().union(*map(references, tree)) if tree else set()
        if not isinstance(tree, dict):
            return set()
        own = {tree["$ref"]} if isinstance(tree.get("$ref"), str) else set()
        return own.union(*map(references, tree.values()))

    schemas = {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}
    assert references(described) == schemas & references(described)
    assert references(described)


def test_the_document_says_what_a_batch_of_traces_is(described: Any) -> None:
    operation = described["paths"]["/v1/private/traces/batch"]["post"]
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    batch = described["components"]["schemas"][reference.rsplit("/", 1)[-1]]

    assert operation["summary"] == "Take many that are whole; what cannot be used is set aside"
    assert batch["required"] == ["traces"]
    assert (batch["properties"]["traces"]["minItems"], batch["properties"]["traces"]["maxItems"]) == (1, 1000)


async def test_the_document_is_served(routes: list[BaseRoute], described: Any) -> None:
    app = build({"query": [document_route(routes)]}, clock=ManualClock())

    answer = await call(app, "GET", f"/api{PATH}")

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == described
