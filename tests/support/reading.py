"""The read side as a client sees it, without a server between: GET, POST, lines."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.types import ASGIApp, Message

from tests.support.asgi import scope_of


class Read(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]


class Reads:
    """Requests of one workspace."""

    def __init__(self, app: ASGIApp, workspace: str) -> None:
        self._app = app
        self._headers = {"Comet-Workspace": workspace}

    async def get(self, path: str, **query: Any) -> Read:
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in query.items()}
        return await self._call("GET", path, urlencode(texts).encode(), b"")

    async def post(self, path: str, body: Mapping[str, Any] | bytes) -> Read:
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self._call("POST", path, b"", octets)

    async def _call(self, method: str, path: str, query: bytes, body: bytes) -> Read:
        status = 0
        headers: dict[str, str] = {}
        pieces: list[bytes] = []

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers.update({name.decode(): value.decode() for name, value in message["headers"]})
            else:
                pieces.append(message.get("body", b""))

        sent = False

        async def receive() -> Message:
            nonlocal sent
            if sent:
                await asyncio.Event().wait()  # the client stays until it has the whole answer
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        scope = scope_of(method, path, self._headers) | {"query_string": query}
        await self._app(scope, receive, send)
        return Read(status, headers, b"".join(pieces))
