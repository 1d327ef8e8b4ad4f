"""The OpenAPI document of the public HTTP API, made from the routes themselves and the types that decode their bodies.

What no type says, because a function reads it from the query string, stands in a table here; a test fails where a route
is in neither.
"""

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Annotated, Any, Final, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipeline.adapters.web.caller import WORKSPACE_HEADER
from pipeline.adapters.web.configuration import WorkspaceConfiguration
from pipeline.adapters.web.failures import JsonBytes
from pipeline.gateway.opik.annotations import CommentIds, CommentText, TagsUpdate, TagsUpdates
from pipeline.gateway.opik.projects import ProjectChange
from pipeline.gateway.opik.scores import EntityScore, ScoreFields, Unscore
from pipeline.gateway.opik.spans import SpanCreate, SpanUpdate, SpanUpdates
from pipeline.gateway.opik.threads import ThreadNames, ThreadScore, ThreadUnscore
from pipeline.gateway.opik.traces import TraceCreate, TraceUpdate, TraceUpdates
from pipeline.gateway.otlp import protobuf_form
from pipeline.gateway.rules import RuleBody, RuleChange, RuleIds
from pipeline.query.pages import Search
from pipeline.query.routes import Naming, Retrieval

PATH: Final = "/openapi.json"
BATCH_ITEMS_MAX: Final = 1000
_PUBLIC: Final = ("/v1/private/", "/v1/traces", "/is-alive/")
_PRIVATE: Final = "/v1/private"
_REF: Final = "#/components/schemas/{name}"
_JSON: Final = "application/json"


@cache
def _shown(body: type[msgspec.Struct]) -> Any:
    """Return the type whose schema is that of `body`; what is left undecoded there is any JSON here."""
    fields: list[Any] = []
    for one in msgspec.structs.fields(body):
        kind = one.type
        if kind is msgspec.Raw:
            fields.append((one.encode_name, Any, None))
        elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            fields.append((one.encode_name, _shown(kind)))
        else:
            fields.append((one.encode_name, kind) if one.required else (one.encode_name, kind, one.default))
    return msgspec.defstruct(body.__name__, fields, kw_only=True, namespace={"__doc__": body.__doc__})


def _batch(name: str, member: str, item: Any, *bases: Any) -> Any:
    items = Annotated[list[item], Meta(min_length=1, max_length=BATCH_ITEMS_MAX)]
    return msgspec.defstruct(name, [(member, items)], bases=bases or None, kw_only=True)


_IDS: Final = _batch("Ids", "ids", UUID)
_SCORES: Final = _batch("Scores", "scores", EntityScore)
_TRACE_CREATE: Final = _shown(TraceCreate)
_TRACE_UPDATE: Final = _shown(TraceUpdate)
_SPAN_CREATE: Final = _shown(SpanCreate)
_SPAN_UPDATE: Final = _shown(SpanUpdate)
_EXPORT: Final = msgspec.defstruct("ExportTraceServiceRequest", [("resourceSpans", list[dict[str, Any]], [])])

BODIES: Final[Mapping[str, Any]] = {
    "POST /traces/batch": _batch("Traces", "traces", _TRACE_CREATE),
    "PATCH /traces/batch": _batch("TracesUpdate", "ids", UUID, _shown(TraceUpdates)),
    "POST /traces/delete": _IDS,
    "PUT /traces/feedback-scores": _SCORES,
    "POST /traces": _TRACE_CREATE,
    "PATCH /traces/{id}": _TRACE_UPDATE,
    "PUT /traces/{id}/feedback-scores": ScoreFields,
    "POST /traces/{id}/feedback-scores/delete": Unscore,
    "POST /traces/search": Search,
    "PUT /traces/threads/close": ThreadNames,
    "PUT /traces/threads/open": ThreadNames,
    "POST /traces/threads/delete": ThreadNames,
    "PUT /traces/threads/feedback-scores": _batch("ThreadScores", "scores", ThreadScore),
    "POST /traces/threads/feedback-scores/delete": ThreadUnscore,
    "PATCH /traces/threads/batch": _batch("ThreadsUpdate", "ids", UUID, TagsUpdates),
    "PATCH /traces/threads/{id}": TagsUpdate,
    "POST /traces/threads/search": Search,
    "POST /traces/threads/retrieve": Retrieval,
    "POST /spans/batch": _batch("Spans", "spans", _SPAN_CREATE),
    "PATCH /spans/batch": _batch("SpansUpdate", "ids", UUID, _shown(SpanUpdates)),
    "PUT /spans/feedback-scores": _SCORES,
    "POST /spans": _SPAN_CREATE,
    "PATCH /spans/{id}": _SPAN_UPDATE,
    "PUT /spans/{id}/feedback-scores": ScoreFields,
    "POST /spans/{id}/feedback-scores/delete": Unscore,
    "POST /spans/search": Search,
    "POST /projects/retrieve": Naming,
    "PATCH /projects/{id}": ProjectChange,
    "PUT /workspaces/configurations": WorkspaceConfiguration,
    "POST /automations/evaluators": RuleBody,
    "PATCH /automations/evaluators/{id}": RuleChange,
    "POST /automations/evaluators/delete": RuleIds,
    "POST /otel/v1/traces": _EXPORT,
    "POST /v1/traces": _EXPORT,
    **{
        f"{method} {base}/comments{rest}": body
        for base in ("/traces", "/traces/threads", "/spans")
        for method, rest, body in (("POST", "/delete", CommentIds), ("PATCH", "/{id}", CommentText))
    },
    **{f"POST {base}/{{id}}/comments": CommentText for base in ("/traces", "/traces/threads", "/spans")},
}
"""The body of each operation that reads one; paths are those below /v1/private."""

WITHOUT_BODY: Final = frozenset({"POST /auth", "POST /attachment/upload-start"})
"""Operations that could have a body and read none."""

_PROJECT: Final = ("project_name", "project_id")
_RANGE: Final = ("from_time", "to_time")
_PAGE: Final = ("page", "size", "filters", "sorting", "search", "truncate", "exclude", *_RANGE)
QUERIES: Final[Mapping[str, Sequence[str]]] = {
    "GET /traces": (*_PROJECT, *_PAGE, "annotation_queue_id"),
    "GET /traces/{id}": ("truncate",),
    "GET /traces/exists": (*_PROJECT, "source", "thread_only"),
    "GET /traces/threads": (*_PROJECT, *_PAGE, "annotation_queue_id"),
    "GET /traces/threads/export": (*_PROJECT, "filter", "filters"),
    "GET /traces/threads/evaluations": (*_PROJECT, "thread_id"),
    "GET /traces/threads/live": ("project_id",),
    "GET /traces/threads/sessions": (*_PROJECT, "thread_id"),
    "GET /traces/threads/stats": (*_PROJECT, "filters", "search", *_RANGE),
    "GET /traces/stats": (*_PROJECT, "filters", "search", *_RANGE),
    "GET /traces/feedback-scores/names": _PROJECT,
    "GET /traces/threads/feedback-scores/names": _PROJECT,
    "GET /spans": (*_PROJECT, "trace_id", "type", *_PAGE),
    "GET /spans/feedback-scores/names": (*_PROJECT, "type"),
    "GET /spans/{id}": ("truncate",),
    "GET /automations/evaluators": (*_PROJECT, "page", "size"),
    "GET /projects/{id}/overview": ("hours",),
    "GET /projects": ("page", "size", "name", "sorting"),
}
"""What each operation reads of its query string."""

_QUERY_SCHEMAS: Final[Mapping[str, dict[str, Any]]] = {
    "page": {"type": "integer", "minimum": 1},
    "size": {"type": "integer", "minimum": 1},
    "truncate": {"type": "boolean"},
    "hours": {"type": "integer", "minimum": 1},
    "thread_only": {"type": "boolean"},
    "project_id": {"type": "string", "format": "uuid"},
    "trace_id": {"type": "string", "format": "uuid"},
    "from_time": {"type": "string", "format": "date-time"},
    "to_time": {"type": "string", "format": "date-time"},
    "sorting": {
        "type": "string",
        "description": (
            "JSON: up to 5 of `{field, direction}`, the direction ASC or DESC. `sortableBy` of the answer says what a "
            "field can be; `usage.*` and `feedback_scores.*` stand for one of each name, as in `usage.total_tokens`. "
            "What is absent comes last in both directions."
        ),
    },
}
_TEXT: Final = {"type": "string"}
_UUID: Final = {"type": "string", "format": "uuid"}
_FAILURE: Final = {
    "oneOf": [
        {"type": "object", "required": ["errors"], "properties": {"errors": {"type": "array", "items": _TEXT}}},
        {"type": "object", "required": ["message"], "properties": {"message": _TEXT}},
    ]
}


class Operation(NamedTuple):
    """One method of one route."""

    method: str
    route: Route

    @property
    def name(self) -> str:
        """Its method and path, as the tables here have it."""
        return f"{self.method} {self.route.path.removeprefix(_PRIVATE)}"


def operations(routes: Sequence[BaseRoute]) -> list[Operation]:
    """Return the operations of the public API among `routes`."""
    public = [route for route in routes if isinstance(route, Route) and route.path.startswith(_PUBLIC)]
    return [Operation(method, route) for route in public for method in sorted((route.methods or set()) - {"HEAD"})]


def document(routes: Sequence[BaseRoute]) -> bytes:
    """Return the document of the public API among `routes`."""
    types = list(dict.fromkeys(BODIES.values()))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    schema_of = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations(routes):
        described = _described(operation, schema_of)
        paths.setdefault(operation.route.path, {})[operation.method.lower()] = described
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Threadline", "version": version("threadline"), "license": {"name": "Apache-2.0"}},
            "servers": [{"url": "/"}, {"url": "/api"}],
            "paths": paths,
            "components": {"schemas": components | {"Failure": _FAILURE}},
        }
    )


def document_route(routes: Sequence[BaseRoute]) -> Route:
    """Return the route that serves the document of `routes`."""
    content = document(routes)

    async def serve(_: Request) -> Response:
        return JsonBytes(content)

    return Route(PATH, serve, methods=["GET"])


def _described(operation: Operation, schema_of: Mapping[Any, Any]) -> dict[str, Any]:
    failure = {
        "description": "Not done, and why.",
        "content": {_JSON: {"schema": {"$ref": _REF.format(name="Failure")}}},
    }
    described: dict[str, Any] = {
        "summary": _summary(operation.route),
        "operationId": operation.name,
        "parameters": [
            {"name": WORKSPACE_HEADER, "in": "header", "schema": _TEXT},
            *(
                {"name": name, "in": "path", "required": True, "schema": _UUID}
                for name in operation.route.param_convertors
            ),
            *(
                {"name": name, "in": "query", "schema": _QUERY_SCHEMAS.get(name, _TEXT)}
                for name in QUERIES.get(operation.name, ())
            ),
        ],
        "responses": {"2XX": {"description": "Done."}, "4XX": failure, "5XX": failure},
    }
    body = BODIES.get(operation.name)
    if body is not None:
        content = {_JSON: {"schema": schema_of[body]}}
        if body is _EXPORT:
            content[protobuf_form.MEDIA_TYPE] = {"schema": {"type": "string", "format": "binary"}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _summary(route: Route) -> str:
    documented = inspect.getdoc(route.endpoint)
    if documented:
        return documented.partition("\n")[0].rstrip(".")
    return str(route.endpoint.__name__).strip("_").replace("_", " ").capitalize()
