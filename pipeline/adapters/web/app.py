"""Put an HTTP process together: the routes of its stages, its failures, its meters."""

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from pipeline.adapters.clock import Clock
from pipeline.adapters.web.failures import handlers
from pipeline.adapters.web.metering import GATEWAY, MeteredRoute, Metering, Meters

PREFIXES: Final = ("/api", "")
"""Where every route answers: the SDKs' base URL usually ends in /api/, and works without it as well."""


def build(stages: Mapping[Meters, Sequence[BaseRoute]], *, clock: Clock, retry_after_seconds: int = 2) -> Metering:
    """Return the ASGI application that serves `stages`: for each one's meters, its routes in order of precedence.

    A `Route` answers below every prefix; any other (a mount of static files) only where it says.
    """
    routes: list[BaseRoute] = []
    for meters, given in stages.items():
        for route in given:
            if isinstance(route, Route):
                routes += [MeteredRoute(prefix, route, meters) for prefix in PREFIXES]
            else:
                routes.append(route)
    app = Starlette(routes=routes, exception_handlers=handlers(retry_after_seconds=retry_after_seconds))
    return Metering(app, clock=clock, unmatched=GATEWAY)
