"""What happens to threads while it happens, as server-sent events fed by the topic `threads`; storage is not asked.

One task follows the log for all who listen, and decodes only while somebody does. Each listener has a queue of bounded
length: one that does not keep up loses what is queued and is told so (`missed`), and then reads the list again.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pipeline.adapters.kafka.consumer import LogRecord
from pipeline.adapters.telemetry import logs
from pipeline.adapters.telemetry.metrics import (
    GATEWAY_LIVE_LISTENERS,
    GATEWAY_LIVE_MISSED,
    GATEWAY_LIVE_UNDECODABLE,
    GATEWAY_OVERLOADS,
)
from pipeline.adapters.web.caller import caller_of, is_still_admitted
from pipeline.errors import BrokerUnavailable, Malformed, Overloaded
from pipeline.events.threads import THREAD_DECODER, ThreadEvent
from pipeline.settings import GatewaySettings

Project = tuple[str, UUID]
Follow = Callable[[], AsyncGenerator[Sequence[LogRecord]]]
"""Yields runs of records from now on; the first run, which may be empty, says that it stands there."""

_RETRY_SECONDS: Final = 1.0
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}
_READY: Final = b"event: ready\ndata: {}\n\n"
_MISSED: Final = b"event: missed\ndata: {}\n\n"
_BEAT: Final = b": still here\n\n"

_log = logs.logger(__name__)


class _Listener:
    """What one client has not been sent yet; None in the queue is the end."""

    def __init__(self, queue_max: int) -> None:
        self.queue: Final[asyncio.Queue[bytes | None]] = asyncio.Queue(queue_max)

    def offer(self, event: bytes) -> None:
        if self.queue.full():
            self.clear()
            self.queue.put_nowait(_MISSED)
        self.queue.put_nowait(event)

    def end(self) -> None:
        self.clear()
        self.queue.put_nowait(None)

    def clear(self) -> None:
        GATEWAY_LIVE_MISSED.inc(self.queue.qsize())
        while not self.queue.empty():
            self.queue.get_nowait()


class Live:
    """The feed and its route; `start` follows the log, `stop` ends every stream."""

    def __init__(self, settings: GatewaySettings, follow: Follow) -> None:
        self._settings: Final = settings
        self._follow: Final = follow
        self._listeners: Final[dict[Project, set[_Listener]]] = {}
        self._count = 0
        self._following: asyncio.Task[None] | None = None

    def routes(self) -> list[Route]:
        """Return the route of the stream."""
        return [Route("/v1/private/traces/threads/live", self.listen, methods=["GET"])]

    async def start(self) -> None:
        """Begin to follow the log; where Kafka is away it is tried again until `stop`."""
        self._following = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End every stream, so that requests can drain."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})
            self._following = None
        for listener in self._all():
            listener.end()

    async def listen(self, request: Request) -> Response:
        """GET traces/threads/live?project_id=...: a stream of `opened`, `closed` and `missed`; 429 where it is full."""
        caller = caller_of(request, workspace_bytes_max=self._settings.key_bytes_max)
        try:
            project = UUID(request.query_params.get("project_id", ""))
        except ValueError as error:
            raise Malformed("project_id must be a UUID", field="project_id") from error
        if self._following is None or self._count >= self._settings.live_listeners_max:
            GATEWAY_OVERLOADS.labels("live_listeners").inc()
            raise Overloaded(
                f"{self._count} pages are listening already", retry_after_seconds=self._settings.retry_after_seconds
            )
        stream = self._stream((caller.workspace, project), request)
        return StreamingResponse(stream, media_type="text/event-stream", headers=_HEADERS)

    async def _stream(self, project: Project, request: Request) -> AsyncIterator[bytes]:
        """Yield what happens until the feed stops, or the listener's key is over."""
        listener = _Listener(self._settings.live_queue_events_max)
        self._listeners.setdefault(project, set()).add(listener)
        self._enter(1)
        try:
            yield _READY
            while True:
                try:
                    async with asyncio.timeout(self._settings.live_beat_seconds):
                        event = await listener.queue.get()
                except TimeoutError:
                    event = _BEAT  # finds out whether the client is still there
                if event is None or not is_still_admitted(request):
                    return
                yield event
        finally:
            self._enter(-1)
            self._listeners[project].discard(listener)
            if not self._listeners[project]:
                del self._listeners[project]

    def _enter(self, number: int) -> None:
        self._count += number
        GATEWAY_LIVE_LISTENERS.set(self._count)

    async def _run(self) -> None:
        while True:
            try:
                async with aclosing(self._follow()) as runs:
                    async for records in runs:
                        if records:
                            self._tell(records)
                        else:  # it stands at the end (again): what came before may have been missed
                            self._offer_all(_MISSED)
            except BrokerUnavailable as error:
                _log.warning("threads cannot be followed, trying again", reason=str(error))
            await asyncio.sleep(_RETRY_SECONDS)

    def _all(self) -> list[_Listener]:
        return [listener for several in self._listeners.values() for listener in several]

    def _offer_all(self, event: bytes) -> None:
        for listener in self._all():
            listener.offer(event)

    def _tell(self, records: Sequence[LogRecord]) -> None:
        if not self._listeners:
            return
        for record in records:
            try:
                event = THREAD_DECODER.decode(record.value or b"")
            except msgspec.DecodeError:
                GATEWAY_LIVE_UNDECODABLE.inc()  # the sink sets it aside
                continue
            listeners = self._listeners.get((event.workspace, event.project_id))
            if listeners and event.event != "refused":
                text = _event(event)
                for listener in listeners:
                    listener.offer(text)


def _event(event: ThreadEvent) -> bytes:
    shown = {
        "thread_id": event.thread_id,
        "status": "active" if event.event == "opened" else "inactive",
        "session_id": event.session_id,
        "reason": event.reason,
    }
    return b"event: %s\ndata: %s\n\n" % (event.event.encode(), msgspec.json.encode(shown))
