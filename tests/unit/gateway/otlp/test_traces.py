import json
from itertools import permutations
from typing import Any

import pytest

from pipeline.adapters.clock import ManualClock
from pipeline.events.traces import TraceEvent
from pipeline.gateway.opik.values import Reception
from pipeline.gateway.otlp.json_form import incoming
from pipeline.gateway.otlp.spans import Reading
from pipeline.gateway.otlp.traces import trace_events
from tests.support.otlp import REMOTE, SECOND_US, START_US, request, span

THREAD = "gen_ai.conversation.id"
OF_ONE_EVENT = {"event", "version_us", "tags_reset", "tags_added", "tags_removed"}


def events_of(*spans: Any) -> list[TraceEvent]:
    reading = Reading(Reception("w", ManualClock(START_US), 64), "p")
    return list(trace_events(reading.understood(one) for one in incoming(json.dumps(request(*spans)).encode())))


def folded(*requests: list[Any]) -> dict[str, Any]:
    """Fold the events of requests as storage does: per field, the newest that names it."""
    events = sorted((event for spans in requests for event in events_of(*spans)), key=lambda event: event.version_us)
    row: dict[str, Any] = {}
    for event in events:
        named = {name: getattr(event, name) for name in TraceEvent.__struct_fields__}
        row |= {name: given for name, given in named.items() if given is not None and name not in OF_ONE_EVENT}
    return row


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"attributes": {"input.value": f"in {text}", "output.value": f"out {text}"} | more}


ROOT = span(1, second=0, lasts=9, **said("root"))
CHILD = span(2, parent=1, second=1, lasts=2, **said("child", **{THREAD: "t"}))
GRANDCHILD = span(3, parent=2, second=2, lasts=1, **said("grandchild"))
DETACHED = span(4, parent=1, second=10, lasts=5, **said("detached"))


def test_a_whole_trace_in_one_request_is_one_event_and_its_thread() -> None:
    whole, thread = events_of(GRANDCHILD, CHILD, ROOT)

    assert (whole.event, whole.name, whole.input, whole.output) == ("create", "span 1", '"in root"', '"out root"')
    assert (whole.start_time_us, whole.end_time_us) == (START_US, START_US + 9 * SECOND_US)
    assert (whole.version_us, whole.thread_id) == (START_US + 9 * SECOND_US, None)
    assert (thread.event, thread.thread_id, thread.input) == ("patch", "t", None)
    assert whole.id == thread.id


@pytest.mark.parametrize("order", list(permutations([[ROOT], [CHILD], [GRANDCHILD, DETACHED]])))
def test_the_requests_of_a_trace_fold_into_the_same_row_in_any_order(order: tuple[list[Any], ...]) -> None:
    row = folded(*order)

    assert (row["name"], row["input"], row["output"], row["thread_id"]) == ("span 1", '"in root"', '"out root"', "t")
    assert (row["start_time_us"], row["end_time_us"]) == (START_US, START_US + 9 * SECOND_US)
    assert row == folded([ROOT, CHILD, GRANDCHILD, DETACHED])


def test_the_thread_of_the_root_is_the_thread_of_the_trace() -> None:
    root = span(1, lasts=9, attributes={THREAD: "root's"})

    assert folded([root], [CHILD])["thread_id"] == "root's"
    assert [event.thread_id for event in events_of(root, CHILD)] == ["root's"]


def test_a_root_that_says_nothing_shows_what_was_said_within() -> None:
    root = span(1, second=0, lasts=9, attributes={"http.request.method": "POST"})
    tool = span(5, parent=1, second=0.5, lasts=8, **said("tool", **{"gen_ai.operation.name": "execute_tool"}))
    second = span(6, parent=1, second=5, lasts=1, **said("second"))

    [event] = events_of(root, tool, second, GRANDCHILD)
    half = span(1, lasts=9, attributes={"input.value": "asked"})

    assert (event.input, event.output) == ('"in grandchild"', '"out second"')
    assert events_of(root, span(7, parent=1, second=0, lasts=9, **said("outer")), second)[0].output == '"out outer"'
    assert (events_of(half, second)[0].input, events_of(half, second)[0].output) == ('"asked"', None)
    assert events_of(root)[0].input is None


def test_without_its_root_a_trace_is_known_by_project_and_thread() -> None:
    [event] = events_of(GRANDCHILD, CHILD)

    assert (event.event, event.thread_id, event.project_name) == ("patch", "t", "p")
    assert event.name is event.input is event.start_time_us is None
    [nameless] = events_of(GRANDCHILD)
    assert (nameless.thread_id, nameless.project_name) == (None, "p")


def test_a_span_with_a_parent_in_another_process_stands_for_the_root() -> None:
    entry = span(2, parent=1, flags=REMOTE, second=1, **said("entry", **{THREAD: "t"}))

    [event] = events_of(entry, GRANDCHILD)

    assert (event.event, event.name, event.input, event.thread_id) == ("patch", "span 2", '"in entry"', "t")
    for order in permutations([[ROOT], [entry, GRANDCHILD]]):
        row = folded(*order)
        assert (row["name"], row["input"], row["start_time_us"], row["thread_id"]) == (
            "span 1", '"in root"', START_US, "t",
        )  # fmt: skip


def test_of_senders_that_do_not_tell_the_outermost_span_of_a_request_stands_for_the_root() -> None:
    untold = [span(number, parent=number - 1, flags=0, second=number, **said(str(number))) for number in (2, 3)]

    [event] = events_of(*untold)

    assert (event.name, event.input) == ("span 2", '"in 2"')
    assert folded(untold, [ROOT])["input"] == '"in root"'


def test_each_trace_of_a_request_has_events_of_its_own() -> None:
    other = span(1, traceId="ff" * 16, **said("other"))

    first, second = events_of(ROOT, other)

    assert first.id != second.id
    assert (first.input, second.input) == ('"in root"', '"in other"')
