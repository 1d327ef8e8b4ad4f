"""The authorisation matrix: every route, every right, the key's own workspace and another."""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path
from unittest import mock

import pytest
from starlette.routing import Route

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import ManualClock
from pipeline.adapters.kafka.consumer import LogRecord
from pipeline.adapters.watched_file import LOOK_SECONDS
from pipeline.adapters.web.access import need_of
from pipeline.adapters.web.app import build
from pipeline.adapters.web.keys import RIGHTS
from pipeline.adapters.web.metering import Metering
from pipeline.commands.openapi import document_route
from pipeline.gateway.live import Live
from pipeline.query.routes import Query
from pipeline.query.ui import LINK
from pipeline.settings import ClickHouseSettings, GatewaySettings, QuerySettings
from tests.support.access import KeyRingFile
from tests.support.asgi import Answer, call
from tests.support.gateway import MemoryGateway, MemoryStorage

ID = "0193e3a0-0000-7000-8000-000000000001"
BASE = "/v1/private"
NEEDS = {
    "none": {
        "GET /is-alive/ping",
        "GET /",
        "GET /ui/{digest}/{path:path}",
        "GET /v1/session/redirect/projects/",
        "GET /openapi.json",
    },
    "any": {f"POST {BASE}/auth", f"GET {BASE}/auth/workspace"},
    "ingest": {
        f"POST {BASE}/attachment/upload-start",
        f"POST {BASE}/otel/v1/traces",
        "POST /v1/traces",
        *(
            f"{line.replace('*', f'{BASE}/{entity}')}"
            for entity in ("traces", "spans")
            for line in ("POST *", "POST */batch", "PATCH */batch", "PATCH */{id}")
        ),
    },
    "annotate": {
        f"PUT {BASE}/traces/threads/open",
        f"PUT {BASE}/traces/threads/close",
        f"PATCH {BASE}/traces/threads/batch",
        f"PATCH {BASE}/traces/threads/{{id}}",
        f"PUT {BASE}/traces/threads/feedback-scores",
        f"POST {BASE}/traces/threads/feedback-scores/delete",
        *(
            f"{line.replace('*', f'{BASE}/{entity}')}"
            for entity in ("traces", "spans")
            for line in ("PUT */feedback-scores", "PUT */{id}/feedback-scores", "POST */{id}/feedback-scores/delete")
        ),
        *(
            f"{line.replace('*', f'{BASE}/{entity}')}"
            for entity in ("traces", "traces/threads", "spans")
            for line in ("POST */{id}/comments", "PATCH */comments/{id}", "POST */comments/delete")
        ),
    },
    "admin": {
        f"POST {BASE}/traces/delete",
        f"DELETE {BASE}/traces/{{id}}",
        f"POST {BASE}/traces/threads/delete",
        f"PUT {BASE}/workspaces/configurations",
        f"DELETE {BASE}/workspaces/configurations",
        f"PATCH {BASE}/projects/{{id}}",
        f"POST {BASE}/automations/evaluators",
        f"POST {BASE}/automations/evaluators/delete",
        f"PATCH {BASE}/automations/evaluators/{{id}}",
        f"DELETE {BASE}/automations/evaluators/{{id}}",
    },
    "read": {
        f"GET {BASE}/projects",
        f"GET {BASE}/projects/{{id}}",
        f"GET {BASE}/projects/{{id}}/overview",
        f"GET {BASE}/automations/evaluators",
        f"GET {BASE}/automations/evaluators/{{id}}",
        f"GET {BASE}/traces/exists",
        f"GET {BASE}/traces/threads/evaluations",
        f"GET {BASE}/traces/threads/export",
        f"GET {BASE}/traces/threads/live",
        f"GET {BASE}/traces/threads/sessions",
        f"GET {BASE}/traces/stats",
        f"GET {BASE}/traces/feedback-scores/names",
        f"GET {BASE}/spans/feedback-scores/names",
        f"GET {BASE}/traces/threads/stats",
        f"GET {BASE}/traces/threads/feedback-scores/names",
        f"GET {BASE}/workspaces/configurations",
        f"GET {BASE}/workspaces/configurations/defaults",
        f"GET {BASE}/spans/{{id}}",
        f"GET {BASE}/traces/{{id}}",
        f"POST {BASE}/projects/retrieve",
        f"POST {BASE}/traces/threads/retrieve",
        *(
            f"{line.replace('*', f'{BASE}/{entity}')}"
            for entity in ("traces", "traces/threads", "spans")
            for line in ("GET *", "POST */search", "GET */{id}/comments/{comment_id}")
        ),
    },
}
NEED_OF = {route: need for need, routes in NEEDS.items() for route in routes}


async def nothing_happens() -> AsyncGenerator[Sequence[LogRecord]]:
    yield []


class World:
    """The gateway in memory beside the query side, whose storage is away: whoever gets that far is answered 503."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.keys = KeyRingFile(folder / "keys.json", self.clock)
        self.storage = MemoryStorage()
        self.gateway = MemoryGateway(storage=self.storage, lookup_seconds_max=0)
        self.live = Live(GatewaySettings(), nothing_happens)
        with mock.patch.dict(os.environ, clear=True):
            client = ClickHouse(ClickHouseSettings(port=1))
            self.query = Query(QuerySettings(), self.clock, client)

    def stages(self) -> dict[str, list[Route]]:
        gateway, query = [*self.live.routes(), *self.gateway.gateway.routes()], self.query.routes()
        return {"gateway": gateway, "query": [document_route([*gateway, *query]), *query]}

    def app(self) -> Metering:
        return build(self.stages(), clock=self.clock, access=self.keys.access())  # type: ignore[arg-type]

    def routes(self) -> Iterator[tuple[str, str]]:
        for routes in self.stages().values():
            for route in routes:
                for method in sorted((getattr(route, "methods", None) or {"GET"}) - {"HEAD"}):
                    yield method, route.path

    @property
    def is_touched(self) -> bool:
        return bool(self.gateway.producer.records) or bool(self.storage.asks)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def ask(app: Metering, method: str, path: str, key: str | None, workspace: str) -> Answer:
    headers = {"Comet-Workspace": workspace} | ({} if key is None else {"Authorization": key})
    path = path.replace("{id}", ID).replace("{comment_id}", ID)
    return await call(app, method, path, {}, headers)


def test_every_route_says_what_it_needs(world: World) -> None:
    routes = {f"{method} {path}" for method, path in world.routes()}

    assert {route: need_of(*route.split(" ", 1)) for route in routes} == NEED_OF


async def test_only_a_key_with_the_right_gets_in_and_only_to_its_workspace(world: World) -> None:
    keys = {right: world.keys.add(["own"], [right]) for right in RIGHTS}
    app = world.app()
    for method, path in world.routes():
        need = NEED_OF[f"{method} {path}"]
        for right, key in keys.items():
            for workspace in ("own", "other", "default"):
                answer = await ask(app, method, path, key, workspace)
                is_let_in = need == "none" or (workspace == "own" and need in {"any", right})
                assert (answer.status not in {401, 403}) is is_let_in, (method, path, right, workspace, answer)
                if not is_let_in:
                    assert answer.status == 403
                    assert not world.is_touched, (method, path, right, workspace)
                world.gateway.producer.records.clear()
                world.storage.asks = 0


async def test_without_a_valid_key_nothing_but_the_page_and_the_ping_answers(world: World) -> None:
    now_us = world.clock.now_us()
    expired = world.keys.add(["*"], list(RIGHTS), expires_at_us=now_us)
    app = world.app()
    for key in (None, "", "Bearer", "no key of ours", f"tl_0123456789ab_{'x' * 43}", expired):
        for method, path in world.routes():
            answer = await ask(app, method, path, key, "default")
            if NEED_OF[f"{method} {path}"] == "none":
                assert answer.status == 200 or "{digest}" in path or (answer.status, path) == (400, LINK)
            else:
                assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer"), (method, path, key)
    assert not world.is_touched


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer {}", "  {} "])
async def test_a_key_counts_raw_as_the_sdks_send_it_and_as_a_bearer_token(world: World, form: str) -> None:
    key = world.keys.add(["own"], ["read"])

    answer = await ask(world.app(), "POST", "/api/v1/private/auth", form.format(key), "own")

    assert answer.status == 204


async def test_a_key_is_told_its_rights(world: World) -> None:
    key = world.keys.add(["own"], ["read", "annotate"])

    answer = await ask(world.app(), "GET", "/v1/private/auth/workspace", key, "own")

    assert answer.json == {"workspace_name": "own", "rights": ["annotate", "read"]}


async def test_a_key_of_every_workspace_acts_in_the_one_that_the_request_names(world: World) -> None:
    key = world.keys.add(["*"], ["read"])

    answer = await ask(world.app(), "GET", "/v1/private/auth/workspace", key, "anything")

    assert answer.json == {"workspace_name": "anything", "rights": ["read"]}


async def test_what_is_written_stands_in_the_workspace_that_was_admitted(world: World) -> None:
    key = world.keys.add(["own"], ["ingest"])
    trace = {"id": ID, "start_time": "2026-11-22T09:23:26Z"}
    headers = {"Comet-Workspace": "own", "Authorization": key}

    answer = await call(world.app(), "POST", "/api/v1/private/traces/batch", {"traces": [trace]}, headers)

    assert answer.status == 204
    [record] = world.gateway.producer.records["traces"]
    assert b'"workspace":"own"' in (record.value or b"")


async def test_a_key_that_is_added_or_ends_counts_within_seconds(world: World) -> None:
    app = world.app()
    key = world.keys.add(["own"], ["read"], expires_at_us=world.clock.now_us() + 10_000_000)

    assert (await ask(app, "POST", "/v1/private/auth", key, "own")).status == 401
    world.clock.advance(LOOK_SECONDS)
    assert (await ask(app, "POST", "/v1/private/auth", key, "own")).status == 204
    world.clock.advance(10)
    assert (await ask(app, "POST", "/v1/private/auth", key, "own")).status == 401


@pytest.mark.parametrize("how", ["expires", "is revoked"])
async def test_a_stream_ends_when_its_key_does(world: World, how: str) -> None:
    key = world.keys.add(["own"], ["read"], expires_at_us=world.clock.now_us() + 10_000_000)
    world.live = Live(GatewaySettings(live_beat_seconds=0.01), nothing_happens)
    await world.live.start()
    app = world.app()
    path = f"{BASE}/traces/threads/live?project_id={ID}"
    listening = asyncio.create_task(ask(app, "GET", path, key, "own"))
    while not app.in_flight:  # noqa: ASYNC110 - one turn of the loop
        await asyncio.sleep(0)
    await asyncio.sleep(0.1)
    assert not listening.done()

    if how == "is revoked":
        world.keys.revoke_all()
        world.clock.advance(LOOK_SECONDS)
    else:
        world.clock.advance(10)

    async with asyncio.timeout(30):
        answer = await listening
    assert answer.status == 200
    assert answer.body.startswith(b"event: ready")
    await world.live.stop()


async def test_a_refused_request_is_not_read(world: World) -> None:
    world.keys.add(["own"], ["ingest"])
    headers = {"Content-Encoding": "gzip"}

    answer = await call(world.app(), "POST", "/v1/private/traces/batch", b"no gzip", headers)

    assert answer.status == 401


async def test_without_keys_everybody_is_let_in(world: World) -> None:
    answer = await ask(build(world.stages(), clock=world.clock), "POST", "/v1/private/auth", None, "any")  # type: ignore[arg-type]

    assert answer.status == 204
