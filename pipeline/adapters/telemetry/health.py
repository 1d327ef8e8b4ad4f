"""Liveness and readiness, and the operator's port that shows them beside the metrics.

Liveness means that the stage's loop makes progress; it never asks storage or the broker, since restarting us does not
bring them back.
"""

from collections.abc import Callable
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.adapters.listener import Listener
from pipeline.settings import OperationSettings

Check = Callable[[], str | None]
"""Says what is wrong, or None."""

_DRAIN_SECONDS: Final = 1.0


class Health:
    """What a stage says of itself: `ready` when it takes work, and checks that must pass while it lives."""

    def __init__(self, settings: OperationSettings) -> None:
        self._ready = False
        self._checks: dict[str, Check] = {}
        routes = [Route("/healthz", self._healthz), Route("/readyz", self._readyz), Route("/metrics", self._metrics)]
        self._listener = Listener(
            Starlette(routes=routes), host=settings.host, port=settings.port, drain_seconds=_DRAIN_SECONDS
        )

    async def start(self) -> None:
        """Open the operator's port."""
        await self._listener.start()

    async def stop(self) -> None:
        """Close the operator's port."""
        await self._listener.stop()

    @property
    def port(self) -> int:
        """The operator's port."""
        return self._listener.port

    def live_while(self, name: str, check: Check) -> None:
        """Count as alive only while `check` finds nothing wrong."""
        self._checks[name] = check

    def set_ready(self, *, ready: bool) -> None:
        """Say whether the stage takes work."""
        self._ready = ready

    async def _healthz(self, _: Request) -> Response:
        faults = {name: fault for name, check in self._checks.items() if (fault := check()) is not None}
        return JSONResponse({"alive": not faults, "faults": faults}, status_code=503 if faults else 200)

    async def _readyz(self, _: Request) -> Response:
        return JSONResponse({"ready": self._ready}, status_code=200 if self._ready else 503)

    async def _metrics(self, _: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
