"""The page in the browser: the files of the folder `ui`, held compressed, under a policy that runs nothing else.

The page names its files below a digest of them all, so that a browser keeps them for good and takes new ones at once.
"""

import gzip
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pipeline.errors import Unknown
from pipeline.query.pages import uuid_of

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types dompurify"
)
"""Scripts and styles only from our files, and text becomes elements only through the sanitiser: what a message contains
stays what it is. Images of messages may come from elsewhere, once a person has asked for them."""
_GUARDS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "vary": "accept-encoding",
}
_MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_PAGE: Final = "index.html"
_FOLDER: Final = Path(str(files("pipeline.query") / "ui"))


LINK: Final = "/v1/session/redirect/projects/"
"""What the SDKs print when they log the first trace: an address below their base URL, for a person to open."""
_FROM_LINK: Final = "../" * LINK.count("/")
"""From there to the page, which lies beside the `api` of that base URL, under whatever path a proxy gives both."""


class PageFile(NamedTuple):
    """One file as it is and compressed."""

    media_type: str
    plain: bytes
    compressed: bytes


class PageFiles:
    """The files of `folder`, read once: a new version of the page comes with a new process."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in _MEDIA_TYPES)
        contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        self.digest: Final = hashlib.sha256(b"".join(contents.values())).hexdigest()[:16]
        page = contents.pop(_PAGE).replace(b'"ui/', f'"ui/{self.digest}/'.encode())
        self._page: Final = _packed(_PAGE, page)
        self._files: Final = {name: _packed(name, content) for name, content in contents.items()}

    def routes(self) -> list[Route]:
        """Return the routes of the page, of its files, and of the links that lead to it."""
        return [
            Route("/", self._index, methods=["GET"]),
            Route("/ui/{digest}/{path:path}", self._file, methods=["GET"]),
            Route(LINK, self._linked, methods=["GET"]),
        ]

    async def _index(self, request: Request) -> Response:
        return _answer(self._page, request.headers, "no-cache")

    async def _linked(self, request: Request) -> Response:
        """Lead to the trace that an SDK's link names; that it is stored already is not asked."""
        trace_id = uuid_of(request.query_params.get("trace_id", ""), "trace_id")
        return RedirectResponse(f"{_FROM_LINK}#trace={trace_id}", headers={"cache-control": "no-store"})

    async def _file(self, request: Request) -> Response:
        found = self._files.get(request.path_params["path"])
        if found is None:
            raise Unknown("the page has no such file")
        # Another digest is that of an older page: what it gets is newer than its name, so nobody may keep it.
        is_named_rightly = request.path_params["digest"] == self.digest
        return _answer(
            found, request.headers, "public, max-age=31536000, immutable" if is_named_rightly else "no-store"
        )


def _packed(name: str, content: bytes) -> PageFile:
    return PageFile(_MEDIA_TYPES[Path(name).suffix], content, gzip.compress(content, 9, mtime=0))


def _answer(file: PageFile, asked: Headers, caching: str) -> Response:
    headers = {**_GUARDS, "cache-control": caching}
    if "gzip" not in asked.get("accept-encoding", ""):
        return Response(file.plain, headers=headers, media_type=file.media_type)
    return Response(file.compressed, headers={**headers, "content-encoding": "gzip"}, media_type=file.media_type)
