"""A TCP proxy before ClickHouse that cuts the connection at some requests, before they are answered."""

import asyncio
from contextlib import suppress

IN_A_ROW = 3
_REQUEST = (b"POST ", b"GET ")


class FlakyDoor:
    """Passes everything on, but for the last IN_A_ROW of each `cut_every` requests (0: none).

    ClickHouse learns nothing of those. They are several, since the client asks once more by itself.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._requests = 0
        self.cut_every = 0
        self.cuts = 0
        self.port = 0

    async def start(self) -> None:
        """Open it on a free port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close it, and all that goes through it."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        back = asyncio.create_task(_pump(far_reader, writer))
        try:
            while chunk := await reader.read(65_536):
                if chunk.startswith(_REQUEST) and self._is_cut():
                    return
                far_writer.write(chunk)
                await far_writer.drain()
        except OSError:
            return  # either side has gone: so does the other
        finally:
            back.cancel()
            far_writer.close()
            writer.close()

    def _is_cut(self) -> bool:
        self._requests += 1
        cut = self.cut_every > 0 and self._requests % self.cut_every >= self.cut_every - IN_A_ROW
        self.cuts += cut
        return cut


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # either side has gone: so does the other
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
