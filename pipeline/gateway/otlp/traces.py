"""Traces of OpenTelemetry to trace events: what the spans of one request say of the traces they belong to.

A trace is never sent; its spans are, children mostly before their parents and in other requests. Each request says what
it knows, and the fold puts it together, newest version first, the same in any order of requests:

* The root says everything, under the version of its end.
* Without it, an entry says everything, under the version of its start: a span whose parent is in another process, which
  may report elsewhere or not at all; of senders that do not tell, a span whose parent is not in the request. A root
  ends after its entries have started, so it wins, whether it comes before or after them.
* A root or entry that says neither what went in nor what came out, as that of a web framework, takes it from the spans
  of its request, those of tools aside: the input of the one that began first, the output of the one that ended last.
* The thread of a trace is its root's, else that of the span that started last among those that name one.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pipeline.events.traces import TraceEvent
from pipeline.gateway.otlp.spans import Understood


def trace_events(spans: Iterable[Understood]) -> Iterator[TraceEvent]:
    """Yield what the spans of a request say of each of their traces: at least one event a trace."""
    by_trace: dict[Any, list[Understood]] = defaultdict(list)
    for span in spans:
        by_trace[span.event.trace_id].append(span)
    for members in by_trace.values():
        yield from _of_one(sorted(members, key=_order))


def _of_one(spans: Sequence[Understood]) -> Iterator[TraceEvent]:
    """Yield the events of one trace; `spans` are in the order of their starts."""
    roots = [span for span in spans if span.sent.is_root]
    threads = [span for span in spans if span.meaning.thread_id]
    if roots:
        yield _whole(roots[-1], spans, version_us=roots[-1].event.version_us)
        if roots[-1].meaning.thread_id is None and threads:
            yield _partial(threads[-1])
        return
    entries = [span for span in spans if _is_entry(span, spans)]
    if entries:
        yield _whole(entries[-1], spans, version_us=_start_us(entries[-1]))
    if threads and threads[-1:] != entries[-1:]:
        yield _partial(threads[-1])
    if not entries and not threads:
        yield _partial(spans[-1])


def _order(span: Understood) -> tuple[int, str]:
    return _start_us(span), str(span.event.id)


def _start_us(span: Understood) -> int:
    return span.event.start_time_us or 0


def _is_entry(span: Understood, spans: Sequence[Understood]) -> bool:
    if span.sent.parent_is_local is None:
        return all(other.sent.span_id != span.sent.parent_id for other in spans)
    return not span.sent.parent_is_local


def _partial(span: Understood) -> TraceEvent:
    """Return what any span says of its trace: that it is there, in which project and thread."""
    event = span.event
    return TraceEvent(
        event="patch",
        workspace=event.workspace,
        version_us=_start_us(span),
        received_at_us=event.received_at_us,
        id=event.trace_id,
        project_id=event.project_id,
        project_name=event.project_name,
        thread_id=span.meaning.thread_id,
        environment=event.environment,
    )


def _whole(span: Understood, spans: Sequence[Understood], *, version_us: int) -> TraceEvent:
    """Return what a root, or a span that stands for one, says of its trace."""
    event = span.event
    asked, answered = event.input, event.output
    if asked is None and answered is None:
        asked, answered = _said_within(spans)
    return TraceEvent(
        event="create" if span.sent.is_root else "patch",
        workspace=event.workspace,
        version_us=version_us,
        received_at_us=event.received_at_us,
        id=event.trace_id,
        project_id=event.project_id,
        project_name=event.project_name,
        thread_id=span.meaning.thread_id,
        name=event.name,
        start_time_us=event.start_time_us,
        end_time_us=event.end_time_us,
        input=asked,
        output=answered,
        metadata=event.metadata,
        tags_added=event.tags_added,
        error_info=event.error_info,
        ttft=event.ttft,
        environment=event.environment,
    )


def _said_within(spans: Sequence[Understood]) -> tuple[str | None, str | None]:
    """Return the first input and the last output of spans in the order of their starts."""
    events = [span.event for span in spans if span.event.type != "tool"]
    asked = next((event.input for event in events if event.input is not None), None)
    answering = [event for event in events if event.output is not None]
    # Of those that ended at once the outer one, which began first, is the first.
    last = max(answering, key=lambda event: event.end_time_us or 0, default=None)
    return asked, None if last is None else last.output
