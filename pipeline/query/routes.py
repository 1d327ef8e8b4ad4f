"""What can be read over HTTP, and which function answers it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final, TypeVar
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry import logs
from pipeline.adapters.web.body import body_of
from pipeline.adapters.web.budget import ByteBudget
from pipeline.adapters.web.caller import caller_of
from pipeline.adapters.web.configuration import configuration_of
from pipeline.adapters.web.failures import JsonBytes
from pipeline.errors import Malformed, StorageUnavailable
from pipeline.events.annotations import CommentPlace
from pipeline.events.identity import project_id
from pipeline.events.scores import EntityType
from pipeline.query import annotations, filters, oql, projects, spans, thread_search, threads, traces, ui
from pipeline.query.conversations import conversations
from pipeline.query.evaluations import evaluations_of
from pipeline.query.export import MEDIA_TYPE, JsonLines, written
from pipeline.query.overview import overview, span_of
from pipeline.query.pages import flag_of, page_of, scope_of, search_of, uuid_of
from pipeline.query.reader import Reader
from pipeline.query.rows import encode, lines
from pipeline.query.scores import thread_score_names
from pipeline.query.sessions import sessions_of
from pipeline.query.statement import Scope
from pipeline.query.stats import thread_stats, trace_stats
from pipeline.query.workspaces import Regimes, default_setting, setting_of
from pipeline.settings import QuerySettings

BODIES_BYTES_MAX: Final = 32 * 1024 * 1024
"""Most bytes of search bodies in hand at once, over all requests."""
BODY_BYTES_MAX: Final = 1024 * 1024

Endpoint = Callable[[Request], Awaitable[Response]]
Body = TypeVar("Body")

_log = logs.logger(__name__)


class Retrieval(msgspec.Struct, frozen=True):
    """The body that names one thread."""

    thread_id: str
    project_name: str | None = None
    project_id: str | None = None
    truncate: bool | None = None


class Naming(msgspec.Struct, frozen=True):
    """The body that names one project."""

    name: str


class Query:
    """The stage: routes over a client, which `start` connects and `stop` closes.

    The client must carry `reader.query_settings`. `lenient` is the score regime where no setting says one.
    """

    def __init__(
        self, settings: QuerySettings, clock: Clock, client: ClickHouse, *, workspace_bytes_max: int = 4096,
        lenient: bool = False,
    ) -> None:  # fmt: skip
        self._settings: Final = settings
        self._clock: Final = clock
        self._client: Final = client
        self._workspace_bytes_max: Final = workspace_bytes_max
        self._reader: Final = Reader(client, settings, clock)
        self._default_is_lenient: Final = lenient
        self._regimes: Final = Regimes(self._reader, clock, lenient=lenient)
        self._bodies: Final = ByteBudget(BODIES_BYTES_MAX, retry_after_seconds=1)

    async def start(self) -> None:
        """Connect to ClickHouse; where it is away this says so, and the first query tries again."""
        try:
            await self._client.start()
        except StorageUnavailable as error:
            _log.warning("storage is away; reads answer 503 until it is back", reason=str(error))

    async def stop(self) -> None:
        """Disconnect; call it after the last request was answered."""
        await self._client.close()

    async def thread_exists(self, workspace: str, project: UUID, thread_id: str) -> bool:
        """Tell whether there is a trace of that thread."""
        return await threads.thread_exists(self._reader, Scope(workspace, project), thread_id)

    async def thread_model_exists(self, workspace: str, model_id: UUID) -> bool:
        """Tell whether there is a trace of the thread with that model id."""
        return await threads.thread_model_exists(self._reader, workspace, model_id)

    async def comment_places(
        self, workspace: str, entity_type: EntityType, comment_ids: Sequence[UUID]
    ) -> Mapping[UUID, CommentPlace]:
        """Return where comments stand, deleted ones too."""
        return await annotations.comment_places(self._reader, workspace, entity_type, comment_ids)

    def routes(self) -> list[Route]:
        """Return the routes, in order of precedence: fixed paths before those with an id in them."""
        get: dict[str, Endpoint] = {
            "/v1/private/traces/exists": self._exists,
            "/v1/private/traces/stats": self._trace_stats,
            "/v1/private/traces/feedback-scores/names": self._trace_score_names,
            "/v1/private/spans/feedback-scores/names": self._span_score_names,
            "/v1/private/traces/threads": self._thread_page,
            "/v1/private/traces/threads/export": self._thread_export,
            "/v1/private/traces/threads/evaluations": self._thread_evaluations,
            "/v1/private/traces/threads/stats": self._thread_stats,
            "/v1/private/traces/threads/sessions": self._thread_sessions,
            "/v1/private/traces/threads/feedback-scores/names": self._thread_score_names,
            "/v1/private/traces/threads/{id}/comments/{comment_id}": self._thread_comment,
            "/v1/private/traces": self._trace_page,
            "/v1/private/traces/{id}": self._trace,
            "/v1/private/traces/{id}/comments/{comment_id}": self._trace_comment,
            "/v1/private/spans": self._span_page,
            "/v1/private/spans/{id}": self._span,
            "/v1/private/spans/{id}/comments/{comment_id}": self._span_comment,
            "/v1/private/projects": self._project_page,
            "/v1/private/projects/{id}": self._project,
            "/v1/private/projects/{id}/overview": self._overview,
            "/v1/private/auth/workspace": self._workspace_name,
            "/v1/private/workspaces/configurations": self._configuration,
            "/v1/private/workspaces/configurations/defaults": self._default_configuration,
        }
        post: dict[str, Endpoint] = {
            "/v1/private/traces/search": self._trace_search,
            "/v1/private/traces/threads/search": self._thread_search,
            "/v1/private/traces/threads/retrieve": self._thread,
            "/v1/private/spans/search": self._span_search,
            "/v1/private/projects/retrieve": self._project_by_name,
            "/v1/private/auth": self._auth,
        }
        return [
            *(Route(path, endpoint, methods=["GET"]) for path, endpoint in get.items()),
            *(Route(path, endpoint, methods=["POST"]) for path, endpoint in post.items()),
            *ui.PageFiles().routes(),
        ]

    async def _trace_search(self, request: Request) -> Response:
        wanted = search_of(await self._body(request))
        scope = scope_of(self._workspace(request), wanted.project_name, wanted.project_id)
        return _stream(await traces.search(self._reader, scope, wanted))

    async def _span_search(self, request: Request) -> Response:
        wanted = search_of(await self._body(request))
        scope = scope_of(self._workspace(request), wanted.project_name, wanted.project_id)
        return _stream(await spans.search(self._reader, scope, wanted))

    async def _thread_search(self, request: Request) -> Response:
        wanted = search_of(await self._body(request))
        scope = scope_of(self._workspace(request), wanted.project_name, wanted.project_id)
        return _stream(await thread_search.search(self._reader, scope, wanted, lenient=await self._lenient(request)))

    async def _trace(self, request: Request) -> Response:
        identity = uuid_of(request.path_params["id"], "id")
        truncate = flag_of(request.query_params, "truncate")
        return _json(await traces.trace(self._reader, self._workspace(request), identity, truncate=truncate))

    async def _span(self, request: Request) -> Response:
        identity = uuid_of(request.path_params["id"], "id")
        truncate = flag_of(request.query_params, "truncate")
        return _json(await spans.span(self._reader, self._workspace(request), identity, truncate=truncate))

    async def _trace_page(self, request: Request) -> Response:
        wanted = page_of(request.query_params, rows_max=self._settings.page_rows_max)
        return _json(await traces.page(self._reader, self._scope(request), wanted))

    async def _span_page(self, request: Request) -> Response:
        wanted = page_of(request.query_params, rows_max=self._settings.page_rows_max)
        query = request.query_params
        found = await spans.page(
            self._reader, self._scope(request), wanted, trace_id=query.get("trace_id"), type_=query.get("type")
        )
        return _json(found)

    async def _thread_page(self, request: Request) -> Response:
        wanted = page_of(request.query_params, rows_max=self._settings.page_rows_max)
        return _json(
            await threads.page(self._reader, self._scope(request), wanted, lenient=await self._lenient(request))
        )

    async def _thread_export(self, request: Request) -> Response:
        """Whole conversations, a line each."""
        query = request.query_params
        wanted = oql.parse(query.get("filter", ""))
        if query.get("filters"):
            wanted += filters.decode(query["filters"])
        pieces = await conversations(self._reader, self._scope(request), wanted, lenient=await self._lenient(request))
        return StreamingResponse(written(pieces, JsonLines()), media_type=MEDIA_TYPE)

    async def _thread_evaluations(self, request: Request) -> Response:
        thread_id = request.query_params.get("thread_id")
        if not thread_id:
            raise Malformed("thread_id must be given", field="thread_id")
        return _json({"content": await evaluations_of(self._reader, self._scope(request), thread_id)})

    async def _thread_stats(self, request: Request) -> Response:
        wanted = page_of(request.query_params, rows_max=self._settings.page_rows_max)
        stats = await thread_stats(
            self._reader,
            self._scope(request),
            wanted.filters,
            wanted.between,
            wanted.search,
            lenient=await self._lenient(request),
        )
        return _json({"stats": stats})

    async def _thread_sessions(self, request: Request) -> Response:
        thread_id = request.query_params.get("thread_id", "")
        return _json({"sessions": await sessions_of(self._reader, self._scope(request), thread_id)})

    async def _thread_score_names(self, request: Request) -> Response:
        names = await thread_score_names(self._reader, self._scope(request), lenient=await self._lenient(request))
        return _json(_named(names))

    async def _trace_score_names(self, request: Request) -> Response:
        return _json(_named(await traces.score_names(self._reader, self._scope(request))))

    async def _span_score_names(self, request: Request) -> Response:
        type_ = request.query_params.get("type")
        return _json(_named(await spans.score_names(self._reader, self._scope(request), type_=type_)))

    async def _trace_stats(self, request: Request) -> Response:
        wanted = page_of(request.query_params, rows_max=self._settings.page_rows_max)
        return _json({"stats": await trace_stats(self._reader, self._scope(request), wanted)})

    async def _thread(self, request: Request) -> Response:
        body = _decoded(await self._body(request), Retrieval)
        scope = scope_of(self._workspace(request), body.project_name, body.project_id)
        found = await threads.thread(
            self._reader, scope, body.thread_id, truncate=bool(body.truncate), lenient=await self._lenient(request)
        )
        return _json(found)

    async def _thread_comment(self, request: Request) -> Response:
        return await self._comment(request, "thread")

    async def _trace_comment(self, request: Request) -> Response:
        return await self._comment(request, "trace")

    async def _span_comment(self, request: Request) -> Response:
        return await self._comment(request, "span")

    async def _comment(self, request: Request, entity_type: EntityType) -> Response:
        entity, identity = (uuid_of(request.path_params[name], name) for name in ("id", "comment_id"))
        return _json(await annotations.comment(self._reader, self._workspace(request), entity_type, entity, identity))

    async def _exists(self, request: Request) -> Response:
        query = request.query_params
        found = await traces.exists(
            self._reader, self._scope(request), source=query.get("source"), thread_only=flag_of(query, "thread_only")
        )
        return _json({"exists": found})

    async def _project_page(self, request: Request) -> Response:
        wanted = page_of(request.query_params, rows_max=self._settings.page_rows_max)
        name = request.query_params.get("name")
        return _json(await projects.page(self._reader, self._workspace(request), wanted, name=name))

    async def _project(self, request: Request) -> Response:
        identity = uuid_of(request.path_params["id"], "id")
        return _json(await projects.project(self._reader, self._workspace(request), identity))

    async def _overview(self, request: Request) -> Response:
        scope = Scope(self._workspace(request), uuid_of(request.path_params["id"], "id"))
        wanted = span_of(request.query_params.get("hours"))
        return _json(await overview(self._reader, self._clock, scope, wanted))

    async def _project_by_name(self, request: Request) -> Response:
        workspace = self._workspace(request)
        name = _decoded(await self._body(request), Naming).name
        return _json(await projects.project(self._reader, workspace, project_id(workspace, name)))

    async def _workspace_name(self, request: Request) -> Response:
        caller = caller_of(request, workspace_bytes_max=self._workspace_bytes_max)
        named = {"workspace_name": caller.workspace}
        return _json(named if caller.rights is None else {**named, "rights": sorted(caller.rights)})

    async def _configuration(self, request: Request) -> Response:
        return _json(configuration_of(await setting_of(self._reader, self._workspace(request))))

    async def _default_configuration(self, request: Request) -> Response:
        """Answer what holds where the workspace has set nothing of its own."""
        self._workspace(request)
        return _json(configuration_of(await default_setting(self._reader, lenient=self._default_is_lenient)))

    async def _auth(self, request: Request) -> Response:
        self._workspace(request)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _lenient(self, request: Request) -> bool:
        return await self._regimes.is_lenient(self._workspace(request))

    def _workspace(self, request: Request) -> str:
        return caller_of(request, workspace_bytes_max=self._workspace_bytes_max).workspace

    def _scope(self, request: Request) -> Scope:
        query = request.query_params
        return scope_of(self._workspace(request), query.get("project_name"), query.get("project_id"))

    async def _body(self, request: Request) -> bytes:
        async with body_of(request, budget=self._bodies, bytes_max=BODY_BYTES_MAX) as body:
            return body


def _named(scores: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    return {"scores": [{"name": name, "type": "NUMERICAL"} for name in scores]}


def _json(content: object) -> Response:
    return JsonBytes(encode(content))


def _stream(runs: AsyncIterator[Sequence[object]]) -> Response:
    """Return a stream of lines. What fails on the way cuts it: no error object may look like a row."""

    async def encoded() -> AsyncIterator[bytes]:
        async for run in runs:
            yield lines(run)

    return StreamingResponse(encoded(), media_type="application/octet-stream")


def _decoded(body: bytes, type_: type[Body]) -> Body:
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(str(error), field="body") from error
