import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pipeline.adapters.clock import ManualClock
from pipeline.adapters.web.app import build
from pipeline.adapters.web.metering import Metering
from tests.support.asgi import call


async def page(request: Request) -> Response:
    return PlainTextResponse(request.url.path)


@pytest.fixture
def app() -> Metering:
    routes = [Route("/v1/private/traces/batch", page, methods=["POST"])]
    return build({"gateway": routes}, clock=ManualClock())


@pytest.mark.parametrize("prefix", ["/api", ""])
async def test_a_route_answers_with_and_without_the_prefix_of_the_sdks(app: Metering, prefix: str) -> None:
    answer = await call(app, "POST", f"{prefix}/v1/private/traces/batch")

    assert (answer.status, answer.body.decode()) == (200, f"{prefix}/v1/private/traces/batch")


@pytest.mark.parametrize("path", ["/api/v1/private/datasets", "/v1/private/experiments/x", "/v1/private/prompts"])
async def test_what_threadline_does_not_have_it_says_so(app: Metering, path: str) -> None:
    answer = await call(app, "POST", path)

    assert answer.status == 404
    assert answer.json["message"] == (
        f"Threadline does not have {path}: it keeps traces, spans, threads and their scores"
    )


async def test_another_unknown_path_is_a_404_in_json(app: Metering) -> None:
    assert (await call(app, "GET", "/favicon.ico")).json == {"code": 404, "message": "Not Found"}


async def test_a_wrong_method_is_a_405_that_names_the_right_one(app: Metering) -> None:
    answer = await call(app, "GET", "/v1/private/traces/batch")

    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert answer.json["code"] == 405


ORIGIN = "https://app.example.com"


async def test_pages_of_other_origins_may_not_call_it(app: Metering) -> None:
    answer = await call(app, "POST", "/v1/private/traces/batch", headers={"Origin": ORIGIN})

    assert not [name for name in answer.headers if name.startswith("access-control-")]
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    assert (await call(app, "OPTIONS", "/v1/private/traces/batch", headers=asked)).status == 405


async def test_pages_of_an_origin_that_is_named_may_call_it_and_only_those() -> None:
    app = build({"gateway": [Route("/x", page, methods=["POST"])]}, clock=ManualClock(), cors_origins=[ORIGIN])
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}

    allowed = await call(app, "OPTIONS", "/x", headers={**asked, "Origin": ORIGIN})
    refused = await call(app, "OPTIONS", "/x", headers={**asked, "Origin": "https://evil.example.com"})

    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "access-control-allow-credentials" not in allowed.headers
    assert (refused.status, "access-control-allow-origin" in refused.headers) == (400, False)


async def test_every_answer_runs_nothing_as_a_page_and_is_kept_by_nobody(app: Metering) -> None:
    for path in ("/v1/private/traces/batch", "/nowhere"):
        headers = (await call(app, "POST", path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
