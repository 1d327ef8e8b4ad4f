"""The write side: which URL goes to which function.

Paths have no prefix; `adapters.web.app.build` puts every route under /api as well. Where two patterns fit a path, the
first one counts, so literal paths stand before those with an id.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.adapters.web.failures import answer_json
from pipeline.gateway.opik.scores import Scores
from pipeline.gateway.opik.spans import Spans
from pipeline.gateway.opik.threads import Threads
from pipeline.gateway.opik.traces import Traces

_TRACES: Final = "/v1/private/traces"
_THREADS: Final = "/v1/private/traces/threads"
_SPANS: Final = "/v1/private/spans"


def write_routes(
    traces: Traces, spans: Spans, trace_scores: Scores, span_scores: Scores, threads: Threads
) -> list[Route]:
    """Return the routes of the write side, in order of precedence."""
    return [
        Route("/is-alive/ping", ping, methods=["GET"]),
        Route(f"{_TRACES}/batch", traces.create_batch, methods=["POST"]),
        Route(f"{_TRACES}/batch", traces.update_batch, methods=["PATCH"]),
        Route(f"{_TRACES}/delete", traces.delete_batch, methods=["POST"]),
        Route(f"{_TRACES}/feedback-scores", trace_scores.set_batch, methods=["PUT"]),
        Route(f"{_THREADS}/close", threads.close, methods=["PUT"]),
        Route(f"{_THREADS}/open", threads.open, methods=["PUT"]),
        Route(f"{_THREADS}/delete", threads.delete, methods=["POST"]),
        Route(f"{_THREADS}/feedback-scores", threads.score, methods=["PUT"]),
        Route(f"{_THREADS}/feedback-scores/delete", threads.unscore, methods=["POST"]),
        Route(_TRACES, traces.create, methods=["POST"]),
        Route(f"{_TRACES}/{{id}}", traces.update, methods=["PATCH"]),
        Route(f"{_TRACES}/{{id}}", traces.delete, methods=["DELETE"]),
        Route(f"{_TRACES}/{{id}}/feedback-scores", trace_scores.set, methods=["PUT"]),
        Route(f"{_TRACES}/{{id}}/feedback-scores/delete", trace_scores.delete, methods=["POST"]),
        Route(f"{_SPANS}/batch", spans.create_batch, methods=["POST"]),
        Route(f"{_SPANS}/batch", spans.update_batch, methods=["PATCH"]),
        Route(f"{_SPANS}/feedback-scores", span_scores.set_batch, methods=["PUT"]),
        Route(_SPANS, spans.create, methods=["POST"]),
        Route(f"{_SPANS}/{{id}}", spans.update, methods=["PATCH"]),
        Route(f"{_SPANS}/{{id}}/feedback-scores", span_scores.set, methods=["PUT"]),
        Route(f"{_SPANS}/{{id}}/feedback-scores/delete", span_scores.delete, methods=["POST"]),
    ]


async def ping(_: Request) -> Response:
    """GET is-alive/ping: the process answers; SDKs replay what they have parked once it does."""
    return answer_json({"message": "Healthy Server", "healthy": True})
