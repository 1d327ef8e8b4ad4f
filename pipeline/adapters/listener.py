"""One HTTP server inside an event loop that we own: it starts, tells its port, and drains when told to stop."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final

import uvicorn

from pipeline.adapters.bounded_http import bounded_http

_BACKLOG_MAX: Final = 2048


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers (the process has its own) and with an event for being up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listener:
    """Serves one ASGI application on `host:port`; port 0 takes a free one."""

    def __init__(
        self,
        app: Any,
        *,
        host: str,
        port: int,
        drain_seconds: float,
        keep_alive_seconds: int = 75,
        head_bytes_max: int = 65_536,
        head_seconds_max: float = 20.0,
        share_port: bool = False,
    ) -> None:
        """Serve `app`; with `share_port` other processes may listen on the port, too."""
        self._host = host
        self._share_port = share_port
        self._port = port
        self._server = _Server(
            uvicorn.Config(
                app,
                http=bounded_http(head_bytes_max=head_bytes_max, head_seconds_max=head_seconds_max),
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                date_header=False,
                timeout_keep_alive=keep_alive_seconds,
                timeout_graceful_shutdown=max(1, int(drain_seconds)),
            )
        )
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port it listens on; meaningful once started."""
        return self._port

    async def start(self) -> None:
        """Listen; raises OSError where the address is taken."""
        listening = socket.create_server((self._host, self._port), backlog=_BACKLOG_MAX, reuse_port=self._share_port)
        listening.setblocking(False)  # noqa: FBT003 - the name of the argument is the method
        # Connections inherit it; asyncio sets it only where a socket names its protocol. Without it the body of an
        # answer, which is written after its head, waits until the client says that it has the head: 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._port = listening.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        up = asyncio.create_task(self._server.up.wait())
        await asyncio.wait({self._serving, up}, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if self._serving.done():
            await self._serving

    async def stop(self) -> None:
        """Close the listening socket first, then finish what is in flight, within the drain time."""
        if self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._serving = None
