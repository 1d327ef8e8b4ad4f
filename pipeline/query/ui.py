"""The page in the browser: files of the folder `ui`, served as they are, under a policy that runs nothing else."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Scripts and styles only from our files: what a message contains is text, whatever it looks like."""
_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_FOLDER: Final = Path(str(files("pipeline.query") / "ui"))


class _Guarded:
    """Static files with our headers."""

    def __init__(self) -> None:
        self._files: Final = StaticFiles(directory=_FOLDER)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one file."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                guards = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *guards]}
            await send(message)

        await self._files(scope, receive, send_guarded)


async def _index(_: Request) -> Response:
    return FileResponse(_FOLDER / "index.html", headers=_HEADERS)


def page_route() -> Route:
    """Return the route of the page itself."""
    return Route("/", _index, methods=["GET"])


def files_mount() -> Mount:
    """Return the mount of the page's files."""
    return Mount("/ui", _Guarded())
