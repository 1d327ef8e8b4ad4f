import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.adapters.clock import ManualClock
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.web.app import build
from tests.support.asgi import call

PATTERN = "/v1/private/metered/{id}"


def requests_counted(route: str, status: str) -> float:
    return metrics.GATEWAY_REQUESTS.labels(route, status)._value.get()


async def answered(_: Request) -> Response:
    return Response(status_code=204)


async def failing(_: Request) -> Response:
    raise RuntimeError


def routed(endpoint: object, path: str = PATTERN) -> Route:
    return Route(path, endpoint, methods=["PUT"])  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/api/v1/private/metered/7", "/v1/private/metered/8"])
async def test_requests_are_counted_by_pattern_without_prefix_or_ids(path: str) -> None:
    app = build({"gateway": [routed(answered)]}, clock=ManualClock())
    before = requests_counted(PATTERN, "204")

    await call(app, "PUT", path)

    assert requests_counted(PATTERN, "204") == before + 1


async def test_reads_are_counted_under_their_own_stage() -> None:
    app = build({"query": [routed(answered, "/read")]}, clock=ManualClock())
    before = metrics.QUERY_REQUESTS.labels("/read", "204")._value.get()

    await call(app, "PUT", "/read")

    assert metrics.QUERY_REQUESTS.labels("/read", "204")._value.get() == before + 1


async def test_whatever_has_no_route_is_counted_as_unknown() -> None:
    app = build({"gateway": []}, clock=ManualClock())
    before = requests_counted("unknown", "404")

    await call(app, "PUT", "/nowhere/at/all")

    assert requests_counted("unknown", "404") == before + 1


async def test_a_fault_is_counted_and_leaves_nothing_in_flight() -> None:
    app = build({"gateway": [routed(failing)]}, clock=ManualClock())
    before = requests_counted(PATTERN, "500")

    with pytest.raises(RuntimeError):
        await call(app, "PUT", "/v1/private/metered/1")

    assert requests_counted(PATTERN, "500") == before + 1
    assert app.in_flight == 0


async def test_the_length_of_a_request_is_observed() -> None:
    clock = ManualClock()

    async def slow(_: Request) -> Response:
        clock.advance(2)
        return Response()

    app = build({"gateway": [routed(slow, "/slow")]}, clock=clock)

    await call(app, "PUT", "/slow")

    assert metrics.GATEWAY_REQUEST_SECONDS.labels("/slow")._sum.get() == pytest.approx(2)


@pytest.mark.parametrize(
    ("given", "is_kept"), [("abc-123", True), ("", False), ("x" * 129, False), ("a\x01b", False), ("zo\xeb", False)]
)
async def test_a_request_has_an_id_its_own_where_it_can_stand_in_a_log(given: str, is_kept: bool) -> None:  # noqa: FBT001
    app = build({"gateway": [routed(answered, "/x")]}, clock=ManualClock())

    answer = await call(app, "PUT", "/x", headers={"X-Request-Id": given})

    assert (answer.headers["x-request-id"] == given) is is_kept
    assert answer.headers["x-request-id"]


async def test_draining_ends_with_the_last_request_and_asks_clients_to_leave() -> None:
    inside, leave = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> Response:
        inside.set()
        await leave.wait()
        return Response()

    app = build({"gateway": [routed(slow, "/slow")]}, clock=ManualClock())
    asked = asyncio.create_task(call(app, "PUT", "/slow"))
    await inside.wait()

    assert await app.drain(0.01) is False
    leave.set()

    assert await app.drain(5) is True
    assert (await asked).headers["connection"] == "close"


async def test_nothing_in_flight_is_drained_at_once() -> None:
    assert await build({"gateway": []}, clock=ManualClock()).drain(0) is True
