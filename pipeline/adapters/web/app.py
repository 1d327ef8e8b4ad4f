"""Put an HTTP process together: the routes of its stages, its failures, its meters."""

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from pipeline.adapters.clock import Clock
from pipeline.adapters.web.access import Access
from pipeline.adapters.web.failures import handlers
from pipeline.adapters.web.metering import Metering, RouteLabel, Stage

PREFIXES: Final = ("/api", "")
"""Where every route answers: the SDKs' base URL usually ends in /api/, and works without it as well."""


def build(
    stages: Mapping[Stage, Sequence[Route]],
    *,
    clock: Clock,
    retry_after_seconds: int = 2,
    access: Access | None = None,
    cors_origins: Sequence[str] = (),
) -> Metering:
    """Return the ASGI application that serves the routes of `stages`, each stage's in order of precedence.

    A route answers below every prefix, and only to whom `access` admits; without `access` to everybody.
    Pages of `cors_origins` may call the API from a browser; nobody else's may. They bring a key, never a cookie.
    `retry_after_seconds` is when clients come back after a failure that names no time of its own.
    """
    routes: list[Route] = []
    labels: dict[int, RouteLabel] = {}
    for stage, given in stages.items():
        for route in given:
            for answering in _below_prefixes(route, access):
                routes.append(answering)
                labels[id(answering)] = RouteLabel(stage, route.path)
    cors = Middleware(
        CORSMiddleware, allow_origins=list(cors_origins), allow_methods=["*"], allow_headers=["*"], max_age=3600
    )
    app = Starlette(
        routes=routes,
        middleware=[cors] if cors_origins else [],
        exception_handlers=handlers(retry_after_seconds=retry_after_seconds),
    )
    return Metering(app, clock=clock, labels=labels)


def _below_prefixes(route: Route, access: Access | None) -> list[Route]:
    endpoint = route.endpoint if access is None else access.guarded(route.endpoint, _methods(route), route.path)
    return [Route(prefix + route.path, endpoint, methods=_methods(route)) for prefix in PREFIXES]


def _methods(route: Route) -> list[str]:
    return sorted(route.methods or ())
