"""The write side: which URL goes to which function.

Paths have no prefix; `adapters.web.app.build` puts every route under /api as well. Where two patterns fit a path, the
first one counts, so literal paths stand before those with an id, and the routes of threads before those of traces.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.adapters.web.failures import answer_json
from pipeline.errors import Unknown
from pipeline.gateway.opik.annotations import Comments, Tags
from pipeline.gateway.opik.projects import Projects
from pipeline.gateway.opik.scores import Scores
from pipeline.gateway.opik.spans import Spans
from pipeline.gateway.opik.threads import Threads
from pipeline.gateway.opik.traces import Traces
from pipeline.gateway.opik.workspaces import Workspaces
from pipeline.gateway.otlp.export import Export
from pipeline.gateway.rules import Rules

_TRACES: Final = "/v1/private/traces"
_THREADS: Final = "/v1/private/traces/threads"
_SPANS: Final = "/v1/private/spans"
_RULES: Final = "/v1/private/automations/evaluators"
_CONFIGURATIONS: Final = "/v1/private/workspaces/configurations"


def trace_routes(traces: Traces, scores: Scores, comments: Comments) -> list[Route]:
    """Return the routes of traces, in order of precedence."""
    return [
        Route(f"{_TRACES}/batch", traces.create_batch, methods=["POST"]),
        Route(f"{_TRACES}/batch", traces.update_batch, methods=["PATCH"]),
        Route(f"{_TRACES}/delete", traces.delete_batch, methods=["POST"]),
        Route(f"{_TRACES}/feedback-scores", scores.set_batch, methods=["PUT"]),
        Route(_TRACES, traces.create, methods=["POST"]),
        Route(f"{_TRACES}/{{id}}", traces.update, methods=["PATCH"]),
        Route(f"{_TRACES}/{{id}}", traces.delete, methods=["DELETE"]),
        Route(f"{_TRACES}/{{id}}/feedback-scores", scores.set, methods=["PUT"]),
        Route(f"{_TRACES}/{{id}}/feedback-scores/delete", scores.delete, methods=["POST"]),
        *_comment_routes(_TRACES, comments),
    ]


def thread_routes(threads: Threads, tags: Tags, comments: Comments) -> list[Route]:
    """Return the routes of threads, in order of precedence."""
    return [
        Route(f"{_THREADS}/close", threads.close, methods=["PUT"]),
        Route(f"{_THREADS}/open", threads.open, methods=["PUT"]),
        Route(f"{_THREADS}/delete", threads.delete, methods=["POST"]),
        Route(f"{_THREADS}/feedback-scores", threads.score, methods=["PUT"]),
        Route(f"{_THREADS}/feedback-scores/delete", threads.unscore, methods=["POST"]),
        Route(f"{_THREADS}/batch", tags.update_batch, methods=["PATCH"]),
        Route(f"{_THREADS}/{{id}}", tags.update, methods=["PATCH"]),
        *_comment_routes(_THREADS, comments),
    ]


def span_routes(spans: Spans, scores: Scores, comments: Comments) -> list[Route]:
    """Return the routes of spans, in order of precedence."""
    return [
        Route(f"{_SPANS}/batch", spans.create_batch, methods=["POST"]),
        Route(f"{_SPANS}/batch", spans.update_batch, methods=["PATCH"]),
        Route(f"{_SPANS}/feedback-scores", scores.set_batch, methods=["PUT"]),
        Route(_SPANS, spans.create, methods=["POST"]),
        Route(f"{_SPANS}/{{id}}", spans.update, methods=["PATCH"]),
        Route(f"{_SPANS}/{{id}}/feedback-scores", scores.set, methods=["PUT"]),
        Route(f"{_SPANS}/{{id}}/feedback-scores/delete", scores.delete, methods=["POST"]),
        *_comment_routes(_SPANS, comments),
    ]


def rule_routes(rules: Rules) -> list[Route]:
    """Return the routes of the rules of online evaluation, in order of precedence."""
    return [
        Route(_RULES, rules.create, methods=["POST"]),
        Route(_RULES, rules.find, methods=["GET"]),
        Route(f"{_RULES}/delete", rules.delete_batch, methods=["POST"]),
        Route(f"{_RULES}/{{id}}", rules.get, methods=["GET"]),
        Route(f"{_RULES}/{{id}}", rules.update, methods=["PATCH"]),
        Route(f"{_RULES}/{{id}}", rules.delete, methods=["DELETE"]),
    ]


def otlp_routes(export: Export) -> list[Route]:
    """Return the routes of OTLP/HTTP: where Opik has it, and where exporters look by themselves."""
    return [Route(path, export.traces, methods=["POST"]) for path in ("/v1/private/otel/v1/traces", "/v1/traces")]


def other_routes(workspaces: Workspaces, projects: Projects) -> list[Route]:
    """Return the routes that concern no single trace, span or thread."""
    return [
        Route("/is-alive/ping", ping, methods=["GET"]),
        Route(_CONFIGURATIONS, workspaces.configure, methods=["PUT"]),
        Route(_CONFIGURATIONS, workspaces.reset, methods=["DELETE"]),
        Route("/v1/private/projects/{id}", projects.update, methods=["PATCH"]),
        Route("/v1/private/attachment/upload-start", refuse_attachment, methods=["POST"]),
    ]


async def ping(_: Request) -> Response:
    """GET is-alive/ping: the process answers; SDKs replay what they have parked once it does."""
    return answer_json({"message": "Healthy Server", "healthy": True})


async def refuse_attachment(_: Request) -> Response:
    """POST attachment/upload-start: always 404, the answer that costs least (Python SDK 2.2).

    It asks for an upload after it has cut a large blob out of a trace. A 2xx would let it delete its copy of the file;
    a 5xx or 429 would keep a sender busy with tries. With 404 it logs an error that shows this text, keeps the file
    where the log says, and sends the trace.
    """
    raise Unknown(
        "Threadline takes no attachments: set OPIK_IS_ATTACHMENT_EXTRACTION_ACTIVE=false, and the SDK leaves them "
        "where they are, inside the trace or span"
    )


def _comment_routes(base: str, comments: Comments) -> list[Route]:
    return [
        Route(f"{base}/comments/delete", comments.delete_batch, methods=["POST"]),
        Route(f"{base}/comments/{{id}}", comments.update, methods=["PATCH"]),
        Route(f"{base}/{{id}}/comments", comments.create, methods=["POST"]),
    ]
