"""Every request counted, timed and named, whatever becomes of it; and the draining of a server that stops."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

import uuid_utils.compat as uuids
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.structured import structlog

REQUEST_ID_HEADER: Final = "x-request-id"
REQUEST_ID_CHARACTERS_MAX: Final = 128
NO_ANSWER: Final = 500
"""The status in our metrics of a request that ended before an answer began."""


_REQUEST_ID: Final = REQUEST_ID_HEADER.encode()
_GUARDS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""What answers say that say nothing else: opened as a page they run nothing, and nobody keeps them."""

Stage = Literal["gateway", "query"]

_METERS: Final = {
    "gateway": (metrics.GATEWAY_REQUESTS, metrics.GATEWAY_REQUEST_SECONDS),
    "query": (metrics.QUERY_REQUESTS, metrics.QUERY_SECONDS),
}


class RouteLabel(NamedTuple):
    """What a route is counted under: its stage, and its pattern without any prefix."""

    stage: Stage
    pattern: str


UNKNOWN_ROUTE: Final = RouteLabel("gateway", "unknown")


class Metering:
    """The outermost ASGI application: counts what passes through `app`, and knows when nothing does any more."""

    def __init__(self, app: ASGIApp, *, clock: Clock, labels: Mapping[int, RouteLabel]) -> None:
        """Meter `app`; `labels` is by the identity of the route that Starlette matched (routes have no hash)."""
        self._app: Final = app
        self._clock: Final = clock
        self._labels: Final = labels
        self._draining = False
        self._idle: Final = asyncio.Event()
        self._idle.set()
        self.in_flight = 0
        """Requests begun and not yet answered."""

    async def drain(self, timeout_seconds: float) -> bool:
        """Ask clients to leave their connections, and return when no request is in flight, or False after a while."""
        self._draining = True
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get(REQUEST_ID_HEADER))
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = NO_ANSWER

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _guarded(message["headers"], request_id.encode())
                if self._draining:
                    MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        began = self._clock.monotonic()
        self.in_flight += 1
        self._idle.clear()
        try:
            await self._app(scope, receive, send_marked)
        finally:
            self.in_flight -= 1
            if not self.in_flight:
                self._idle.set()
            self._count(scope, status, self._clock.monotonic() - began)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        stage, pattern = self._labels.get(id(scope.get("route")), UNKNOWN_ROUTE)
        requests, latency = _METERS[stage]
        requests.labels(pattern, str(status)).inc()
        latency.labels(pattern).observe(seconds)


def _guarded(headers: Iterable[tuple[bytes, bytes]], request_id: bytes) -> list[tuple[bytes, bytes]]:
    given = list(headers)
    names = {name for name, _ in given}
    return [*given, *(guard for guard in _GUARDS if guard[0] not in names), (_REQUEST_ID, request_id)]


def _request_id(given: str | None) -> str:
    if given and len(given) <= REQUEST_ID_CHARACTERS_MAX and given.isascii() and given.isprintable():
        return given
    return uuids.uuid7().hex
