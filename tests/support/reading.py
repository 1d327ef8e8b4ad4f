"""The read side as a client sees it, without a server between: GET, POST, lines."""

import asyncio
import json
from collections.abc import Iterable, Mapping
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


def sorted_by(field: str, direction: str, rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return the ids of `rows` sorted by what they say of themselves, absent last, equal ones in the order given."""

    def value(row: dict[str, Any]) -> Any:
        group, _, name = field.partition(".")
        if group == "feedback_scores":
            return {score["name"]: score["value"] for score in row.get(group, [])}.get(name)
        found = row.get(group)
        return found.get(name) if name and found else sorted(found) if isinstance(found, list) else found

    known = list(rows)
    present = sorted((row for row in known if value(row) is not None), key=value, reverse=direction == "DESC")
    return [row["id"] for row in present + [row for row in known if value(row) is None]]


class Reads:
    """Requests of one workspace."""

    def __init__(self, app: ASGIApp, workspace: str) -> None:
        self._app = app
        self._headers = {"Comet-Workspace": workspace}

    async def get(self, path: str, **query: Any) -> Read:
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in query.items()}
        return await self._call("GET", path, urlencode(texts).encode(), b"")

    async def ids_in_pages(self, path: str, *, size: int, **query: Any) -> list[str]:
        """Return the ids of all pages of `size` rows, in order."""
        ids: list[str] = []
        total, page = 1, 0
        while page * size < total:
            page += 1
            found = (await self.get(path, size=size, page=page, **query)).json
            ids += [row["id"] for row in found["content"]]
            total = found["total"]
        return ids

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
