"""uvicorn's HTTP/1.1 protocol with bounds on what comes before a body: how large it may be, and how long it may take.

The parser itself keeps any number of headers of any length, for as long as a client cares to send them. Only documented
hooks are used: what a parser callback raises ends the connection with an answer.
"""

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HeadTooLarge(Exception):
    """The request line and headers exceed their bound; never seen outside this module."""


def bounded_http(*, head_bytes_max: int, head_seconds_max: float) -> type[HttpToolsProtocol]:
    """Return the protocol class that answers 431 to larger heads, and 408 to those that take longer."""
    bounds = {"head_bytes_max": head_bytes_max, "head_seconds_max": head_seconds_max}
    return type("BoundedHttp", (_BoundedHttp,), bounds)


class _BoundedHttp(HttpToolsProtocol):
    """One connection."""

    head_bytes_max: ClassVar[int]
    head_seconds_max: ClassVar[float]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._is_in_head = True
        self._parsed_bytes = 0
        self._received_bytes = 0
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, chunk: bytes) -> None:
        super().data_received(chunk)
        if not self._is_in_head or self.transport.is_closing():
            return
        self._received_bytes += len(chunk)
        if self._received_bytes > self.head_bytes_max:
            self._end(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._patience is None:
            self._wait_for_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._parsed_bytes = self._received_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, text: str) -> None:
        if self._parsed_bytes > self.head_bytes_max:
            self._end(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            super().send_400_response(text)

    def _count(self, size: int) -> None:
        self._parsed_bytes += size
        if self._parsed_bytes > self.head_bytes_max:
            raise HeadTooLarge

    def _wait_for_head(self) -> None:
        self._patience = self.loop.call_later(self.head_seconds_max, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self._end(HTTPStatus.REQUEST_TIMEOUT)

    def _end(self, status: HTTPStatus) -> None:
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode())
        self.transport.close()
