"""The ClickHouse HTTP interface as an ASGI app: `/ping` and `/`.

Blocking work (the engine, decompression) is done on executors, so that the event loop only moves bytes. A body is
spooled before the engine sees it: a client that breaks off half-way has inserted nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry.structured import structlog
from pipeline.local.clickhouse.engine import Engine
from pipeline.local.clickhouse.failures import (
    QUERY_IS_TOO_LARGE,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    QueryFailed,
)
from pipeline.local.clickhouse.query import QUERY_BYTES_MAX, SPOOL_MEMORY_BYTES_MAX, Answer, Query
from pipeline.local.clickhouse.sessions import Session, Sessions
from pipeline.local.clickhouse.wire import Asked, failure_headers, is_form, read_form, read_request

BODY_BYTES_MAX: Final = 1024 * 1024 * 1024
EXECUTORS_MAX: Final = 16
QUERIES_MAX: Final = 256

_log = structlog.get_logger(__name__)


class ClickHouseServer:
    """One engine and whoever talks to it over HTTP."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._sessions = Sessions(engine, clock)
        self._executors = ThreadPoolExecutor(EXECUTORS_MAX, thread_name_prefix="clickhouse")
        self._queries: set[Query] = set()

    def app(self) -> Starlette:
        """Return the ASGI app; its lifespan opens and closes the database."""
        return Starlette(
            routes=[
                Route("/ping", _ping, methods=["GET"]),
                Route("/replicas_status", _ping, methods=["GET"]),
                Route("/", self._handle, methods=["GET", "POST"]),
            ],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executors, self._engine.open)
        try:
            yield
        finally:
            await loop.run_in_executor(None, self._close)

    def _close(self) -> None:
        """Stop what runs, then close the database: nothing that was acknowledged is lost either way."""
        if self._queries:
            self._engine.cancel_all()
        self._executors.shutdown(wait=True)
        self._sessions.close()
        self._engine.close()

    async def _handle(self, request: Request) -> Response:
        query_id = request.query_params.get("query_id", "")
        body: IO[bytes] | None = None
        try:
            body, form = await self._read_body(request)
            if request.method != "POST" and "query" not in request.query_params:
                body.close()
                return await _ping(request)
            asked = read_request(request.method, request.scope["query_string"], request.headers, form)
            return await self._answer(request, asked, body)
        except QueryFailed as failed:
            if body is not None:
                body.close()
            headers = failure_headers(failed, query_id)
            return PlainTextResponse(failed.text(self._engine.version), failed.status, headers)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it

    async def _read_body(self, request: Request) -> tuple[IO[bytes], list[tuple[str, str]]]:
        """Spool the body; of a form, return its fields and an empty body instead."""
        content_type = request.headers.get("content-type", "")
        bytes_max = QUERY_BYTES_MAX if is_form(content_type) else BODY_BYTES_MAX
        spool: IO[bytes] = SpooledTemporaryFile(max_size=SPOOL_MEMORY_BYTES_MAX)  # noqa: SIM115 - closed by the query
        async for piece in request.stream():
            spool.write(piece)
            if spool.tell() > bytes_max:
                spool.close()
                raise QueryFailed(QUERY_IS_TOO_LARGE, "QUERY_IS_TOO_LARGE", f"A body of more than {bytes_max} bytes")
        spool.seek(0)
        if not is_form(content_type):
            return spool, []
        fields = read_form(content_type, spool.read())
        spool.seek(0)
        spool.truncate()
        return spool, fields

    async def _answer(self, request: Request, asked: Asked, body: IO[bytes]) -> Response:
        if len(self._queries) >= QUERIES_MAX:
            raise QueryFailed(
                TOO_MANY_SIMULTANEOUS_QUERIES, "TOO_MANY_SIMULTANEOUS_QUERIES", f"Too many queries: {QUERIES_MAX}"
            )
        session = (
            self._sessions.take(asked.session_id, is_checked=asked.is_session_checked) if asked.session_id else None
        )
        query = Query(self._engine, asked, body, self._clock, session)
        self._queries.add(query)
        is_handed_on = False
        try:
            answer = await self._start(request, asked, query)
            if answer.is_whole:
                return Response(answer.first, headers=answer.headers)
            is_handed_on = True
            return StreamingResponse(self._pieces(answer, query, asked, session), headers=answer.headers)
        finally:
            if not is_handed_on:
                await asyncio.shield(self._finish(query, asked, session))

    async def _start(self, request: Request, asked: Asked, query: Query) -> Answer:
        """Start the query; one that only reads is cancelled when its client goes away, if the client has set so."""
        started = asyncio.get_running_loop().run_in_executor(self._executors, query.start)
        if asked.settings.get("cancel_http_readonly_queries_on_client_close", "0") == "0":
            return await started
        gone = asyncio.ensure_future(request.receive())
        await asyncio.wait((started, gone), return_when=asyncio.FIRST_COMPLETED)
        if gone.done() and not started.done():
            # Not on our executors: all of them may be busy with queries such as this one.
            await asyncio.get_running_loop().run_in_executor(None, self._engine.cancel, query.mark)
        gone.cancel()
        return await started

    async def _pieces(
        self, answer: Answer, query: Query, asked: Asked, session: Session | None
    ) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        try:
            piece: bytes | None = answer.first
            while piece is not None:
                if piece:
                    yield piece
                piece = await loop.run_in_executor(self._executors, query.more)
        finally:
            await asyncio.shield(self._finish(query, asked, session))

    async def _finish(self, query: Query, asked: Asked, session: Session | None) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._executors, query.finish)
        except QueryFailed as failed:
            # The session is left as it is: its next request sets what it needs, or fails with the reason.
            _log.warning("session not restored", error=str(failed))
        finally:
            self._queries.discard(query)
            if session is not None:
                self._sessions.give_back(session, lives_seconds=asked.session_seconds)


async def _ping(_: Request) -> Response:
    return PlainTextResponse("Ok.\n")


def clickhouse_app(engine: Engine, clock: Clock) -> Any:
    """Return the ASGI app for one engine."""
    return ClickHouseServer(engine, clock).app()
