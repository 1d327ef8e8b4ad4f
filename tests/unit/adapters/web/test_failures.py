from collections.abc import Awaitable, Callable

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from pipeline.adapters.clock import ManualClock
from pipeline.adapters.web.app import build
from pipeline.errors import (
    BrokerUnavailable,
    Conflict,
    Malformed,
    Overloaded,
    Refused,
    StorageUnavailable,
    TooLarge,
    Unauthorized,
    Unknown,
)
from tests.support.asgi import Answer, call, receive_of, scope_of

FAILURE = "what is wrong"


def raising(error: Exception) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_: Request) -> Response:
        raise error

    return endpoint


async def answer_to(error: Exception) -> Answer:
    app = build({"gateway": [Route("/x", raising(error), methods=["GET"])]}, clock=ManualClock(), retry_after_seconds=4)
    return await call(app, "GET", "/x")


@pytest.mark.parametrize(
    ("error", "status", "content"),
    [
        (Malformed(FAILURE), 400, {"errors": [FAILURE]}),
        (TooLarge(FAILURE), 413, {"errors": [FAILURE]}),
        (Refused(FAILURE), 400, {"code": 400, "message": FAILURE}),
        (Unauthorized(FAILURE), 403, {"code": 403, "message": FAILURE}),
        (Unknown(FAILURE), 404, {"code": 404, "message": FAILURE}),
        (Conflict(FAILURE), 409, {"code": 409, "message": FAILURE}),
    ],
)
async def test_a_refusal_is_answered_in_opiks_shape(error: Exception, status: int, content: object) -> None:
    answer = await answer_to(error)

    assert (answer.status, answer.json) == (status, content)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Overloaded(FAILURE, retry_after_seconds=9), "9"),
        (Overloaded(FAILURE, retry_after_seconds=0), "1"),
        (BrokerUnavailable(FAILURE), "4"),
    ],
)
async def test_overload_is_a_429_with_both_headers_in_whole_seconds(error: Exception, seconds: str) -> None:
    answer = await answer_to(error)

    assert answer.status == 429
    assert answer.headers["retry-after"] == seconds
    assert answer.headers["ratelimit-reset"] == seconds
    assert answer.json == {"code": 429, "message": FAILURE}


async def test_reading_without_storage_is_a_503_that_says_when_to_come_back() -> None:
    answer = await answer_to(StorageUnavailable(FAILURE))

    assert (answer.status, answer.headers["retry-after"]) == (503, "4")


async def test_a_fault_of_ours_tells_the_client_nothing_of_its_inside_and_is_raised_for_the_log() -> None:
    app = build({"gateway": [Route("/x", raising(RuntimeError("secret")), methods=["GET"])]}, clock=ManualClock())
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(RuntimeError, match="secret"):
        await app(scope_of("GET", "/x"), receive_of([]), send)

    assert sent[0]["status"] == 500
    assert b"secret" not in sent[1]["body"]
