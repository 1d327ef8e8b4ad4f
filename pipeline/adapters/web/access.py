"""Who may do what: the key of a request, the workspace it acts in, and the right that its route asks for.

This is the one place where a request gets its workspace: where keys are in force, endpoints run only after `admit`, and
`caller_of` then returns what was admitted. Nothing of the body is read before.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Final, Literal

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry.metrics import GATEWAY_DENIED
from pipeline.adapters.watched_file import WatchedFile
from pipeline.adapters.web.caller import Caller, admit_as, caller_of
from pipeline.adapters.web.keys import Key, KeyRing, Right
from pipeline.errors import Unauthenticated, Unauthorized

Need = Right | Literal["any", "none"]
"""The right that a route asks for; `any` is any key of the workspace, `none` no key at all."""
Endpoint = Callable[[Request], Awaitable[Response]]

_NEEDS: Final[tuple[tuple[str, Need], ...]] = (
    ("GET /is-alive/ping", "none"),
    ("GET /", "none"),
    ("GET /ui/*", "none"),
    ("GET /v1/session/redirect/*", "none"),
    ("GET /openapi.json", "none"),
    ("* /v1/private/auth", "any"),
    ("* /v1/private/auth/workspace", "any"),
    ("GET *", "read"),
    ("POST */search", "read"),
    ("POST */retrieve", "read"),
    ("* */comments", "annotate"),
    ("* */comments/*", "annotate"),
    ("* */feedback-scores", "annotate"),
    ("* */feedback-scores/delete", "annotate"),
    ("PUT /v1/private/traces/threads/open", "annotate"),
    ("PUT /v1/private/traces/threads/close", "annotate"),
    ("PATCH /v1/private/traces/threads/*", "annotate"),
    ("* */delete", "admin"),
    ("POST /v1/private/traces", "ingest"),
    ("POST /v1/private/traces/batch", "ingest"),
    ("PATCH /v1/private/traces/*", "ingest"),
    ("POST /v1/private/spans", "ingest"),
    ("POST /v1/private/spans/batch", "ingest"),
    ("PATCH /v1/private/spans/*", "ingest"),
    ("POST /v1/private/otel/*", "ingest"),
    ("POST /v1/traces", "ingest"),
    ("POST /v1/private/attachment/*", "ingest"),
)
"""What each route needs, by method and pattern; the first line that fits counts. What fits none needs `admin`."""

_BEARER: Final = "bearer "


def need_of(method: str, pattern: str) -> Need:
    """Return what a route asks for, by its method and its pattern without a prefix."""
    route = f"{method} {pattern}"
    return next((need for line, need in _NEEDS if fnmatchcase(route, line)), "admin")


class Access:
    """Lets requests in by the keys of a file."""

    def __init__(self, keys: WatchedFile[KeyRing], clock: Clock, *, workspace_bytes_max: int) -> None:
        self._keys: Final = keys
        self._clock: Final = clock
        self._workspace_bytes_max: Final = workspace_bytes_max

    def guarded(self, endpoint: Endpoint, methods: Iterable[str], pattern: str) -> Endpoint:
        """Return the endpoint of a route so that it answers only who may call it."""
        needs = {method: need_of("GET" if method == "HEAD" else method, pattern) for method in methods}

        async def guard(request: Request) -> Response:
            need = needs[request.method]
            if need != "none":
                admit_as(request, self.admit(request, need), lambda: self.admit(request, need))
            return await endpoint(request)

        return guard

    def admit(self, request: HTTPConnection, need: Need) -> Caller:
        """Return who calls.

        Raises Unauthenticated without a valid key, Unauthorized for a workspace that the key does not hold and for a
        right that it does not have, and Malformed for a name that no workspace can have.
        """
        key = self._key_of(request)
        caller = caller_of(request, workspace_bytes_max=self._workspace_bytes_max)
        if not key.holds(caller.workspace):
            GATEWAY_DENIED.labels("workspace").inc()
            raise Unauthorized("this API key is not for this workspace")
        if need not in {"any", *key.rights}:
            GATEWAY_DENIED.labels("right").inc()
            raise Unauthorized(f"this API key does not have the right {need!r}")
        return replace(caller, rights=key.rights)

    def _key_of(self, request: HTTPConnection) -> Key:
        presented = request.headers.get("authorization", "").strip()
        if presented[: len(_BEARER)].lower() == _BEARER:
            presented = presented[len(_BEARER) :].strip()
        if not presented:
            raise _denied("missing", "an API key is required, in the header Authorization")
        key = self._keys.content().find(presented)
        if key is None:
            raise _denied("unknown", "this API key is not known")
        if key.is_expired(self._clock.now_us()):
            raise _denied("expired", "this API key has expired")
        return key


def _denied(reason: str, text: str) -> Unauthenticated:
    GATEWAY_DENIED.labels(reason).inc()
    return Unauthenticated(text)
