"""Requests to an ASGI application without a server between."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


def scope_of(method: str = "POST", path: str = "/", headers: Mapping[str, str] | None = None) -> Scope:
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "scheme": "http",
        "server": ("test", 80),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
    }


def receive_of(chunks: Sequence[bytes], *, client_leaves: bool = False) -> Receive:
    """Return what hands over `chunks` one by one; a client that leaves does so before the last one is complete."""
    messages: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if client_leaves:
        messages.append({"type": "http.disconnect"})
    else:
        messages.append({"type": "http.request", "body": b"", "more_body": False})
    left = iter(messages)

    async def receive() -> Message:
        for message in left:
            return message
        return await asyncio.Future()  # nothing more comes, as from a client that waits for its answer

    return receive


def request_of(
    chunks: Sequence[bytes] = (), headers: Mapping[str, str] | None = None, *, client_leaves: bool = False
) -> Request:
    return Request(scope_of(headers=headers), receive_of(chunks, client_leaves=client_leaves))


async def call(
    app: ASGIApp,
    method: str,
    path: str,
    body: bytes | dict[str, Any] | list[Any] = b"",
    headers: Mapping[str, str] | None = None,
    *,
    client_leaves: bool = False,
) -> Answer:
    """Send one request to `app` and return the answer; a body that is no bytes goes as JSON."""
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    status = 0
    answered: dict[str, str] = {}
    pieces: list[bytes] = []

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            answered.update({name.decode(): value.decode() for name, value in message["headers"]})
        else:
            pieces.append(message.get("body", b""))

    await app(scope_of(method, path, headers), receive_of([octets], client_leaves=client_leaves), send)
    return Answer(status, answered, b"".join(pieces))
