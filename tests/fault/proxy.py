"""A TCP proxy before ClickHouse that loses or delays the answers to inserts."""

import asyncio
from contextlib import suppress
from typing import Final

CHUNK_BYTES: Final = 256 * 1024
INSERT: Final = b"INSERT"


class Proxy:
    """Passes everything on, but for what was armed: that happens to the next insert, once ClickHouse has done it."""

    def __init__(self, target_port: int) -> None:
        self._target_port: Final = target_port
        self._server: asyncio.Server | None = None
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._armed: asyncio.Future[None] | None = None
        self._late: asyncio.Future[None] | None = None
        self.delay_seconds = 0.0
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def lose_answer(self) -> None:
        """Return when ClickHouse has answered an insert; the answer is lost."""
        self._armed = asyncio.get_running_loop().create_future()
        await self._armed

    async def next_late(self) -> None:
        """Return when the next answer to an insert has been delayed."""
        self._late = asyncio.get_running_loop().create_future()
        await self._late

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: writer.close())  # also where it was cancelled before its first step

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:  # ClickHouse is away: so is the proxy
            return
        asked = asyncio.Event()  # set while an insert waits for its answer
        pumps = [
            asyncio.create_task(self._ask(reader, far_writer, asked)),
            asyncio.create_task(self._answer(far_reader, writer, asked)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            far_writer.close()  # first: what is awaited below may be cancelled
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _ask(self, reader: asyncio.StreamReader, far: asyncio.StreamWriter, asked: asyncio.Event) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(CHUNK_BYTES):
                if INSERT in chunk[:4096]:
                    asked.set()
                far.write(chunk)
                await far.drain()

    async def _answer(self, far: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event) -> None:
        with suppress(ConnectionError):
            while chunk := await far.read(CHUNK_BYTES):
                if asked.is_set():
                    asked.clear()
                    if self._armed is not None and not self._armed.done():
                        self._armed.set_result(None)
                        return
                    await self._delay()
                writer.write(chunk)
                await writer.drain()

    async def _delay(self) -> None:
        late, self._late = self._late, None
        try:
            await asyncio.sleep(self.delay_seconds)
        finally:  # the client may have given up meanwhile
            if late is not None and not late.done():
                late.set_result(None)
