"""Our failures as HTTP statuses and JSON, in the shapes that Opik's SDKs know.

What is wrong with the input is `{"errors": [...]}`; everything else is `{"code": ..., "message": ...}`. Overload is
429 with `Retry-After` and `RateLimit-Reset`, both whole seconds: with either one missing the Python SDK drops the batch
without a word, and any 5xx it gives up after three attempts.
"""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pipeline.adapters.telemetry import logs
from pipeline.errors import (
    BrokerUnavailable,
    Malformed,
    Overloaded,
    Refused,
    StorageUnavailable,
    TooLarge,
    Unauthenticated,
)

CLIENT_GONE: Final = 499
"""The status in our metrics of a request whose client left before the answer; nobody receives it."""
_PRIVATE_PATH: Final = "/v1/private/"
_PATH_CHARACTERS_MAX: Final = 200

Handler = Callable[[Request, Exception], Awaitable[Response]]

_log = logs.logger(__name__)


class JsonBytes(Response):
    """A JSON answer that is encoded already."""

    media_type = "application/json"


def answer_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return `content` as a JSON answer."""
    return JsonBytes(msgspec.json.encode(content), status, headers)


def _message(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return answer_json({"code": status, "message": text}, status, headers)


def _come_back(status: int, text: str, seconds: int) -> Response:
    wait = str(max(1, seconds))
    return _message(status, text, {"Retry-After": wait, "RateLimit-Reset": wait})


def answer_refusal(error: Refused) -> Response:
    """Return the answer to a request whose input is at fault."""
    if isinstance(error, Malformed | TooLarge):
        return answer_json({"errors": [error.reason]}, error.status)
    # RFC 9110 asks for the header; without it browsers do not even say what is missing.
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else None
    return _message(error.status, error.reason, headers)


def handlers(*, retry_after_seconds: int) -> dict[Any, Handler]:
    """Return what Starlette does with each kind of error; `retry_after_seconds` is for errors that name no time."""

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)  # noqa: S101
        return answer_refusal(error)

    async def overloaded(_: Request, error: Exception) -> Response:
        seconds = error.retry_after_seconds if isinstance(error, Overloaded) else retry_after_seconds
        return _come_back(HTTPStatus.TOO_MANY_REQUESTS, str(error), seconds)

    async def storage_away(_: Request, error: Exception) -> Response:
        return _come_back(HTTPStatus.SERVICE_UNAVAILABLE, str(error), retry_after_seconds)

    return {
        Refused: refused,
        Overloaded: overloaded,
        BrokerUnavailable: overloaded,
        StorageUnavailable: storage_away,
        HTTPException: _no_route,
        ClientDisconnect: _client_gone,
        Exception: _fault,
    }


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    text = error.detail
    path = request.url.path[:_PATH_CHARACTERS_MAX]
    if error.status_code == HTTPStatus.NOT_FOUND and _PRIVATE_PATH in path:
        text = f"Threadline does not have {path}: it keeps traces, spans, threads and their scores"
    return _message(error.status_code, text, error.headers)


async def _client_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


async def _fault(request: Request, error: Exception) -> Response:
    _log.error("request failed", path=request.url.path[:_PATH_CHARACTERS_MAX], exc_info=error)
    return _message(HTTPStatus.INTERNAL_SERVER_ERROR, "Threadline has a fault; its log says which")
