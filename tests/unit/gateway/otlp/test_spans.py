import json
from decimal import Decimal
from typing import Any

import pytest

from pipeline.adapters.clock import ManualClock
from pipeline.errors import Malformed
from pipeline.events.identity import project_id
from pipeline.events.spans import SpanEvent
from pipeline.gateway.opik.values import Reception
from pipeline.gateway.otlp.json_form import incoming
from pipeline.gateway.otlp.spans import Reading
from pipeline.gateway.prices import SOURCE
from tests.support.fold_oracle import cost_of
from tests.support.otlp import SECOND_US, START_US, TRACE_ID, recorded, request, span

RECEIVED_AT_US = START_US + 60 * SECOND_US


def events_of(body: Any, project_name: str | None = None) -> list[SpanEvent]:
    reading = Reading(Reception("w", ManualClock(RECEIVED_AT_US), 64), project_name)
    return [reading.understood(one).event for one in incoming(json.dumps(body).encode())]


def test_a_span_keeps_its_ids_its_times_and_what_sent_it() -> None:
    resource = {"service.name": "shop", "deployment.environment.name": "prod"}
    sent = span(2, parent=1, second=1, lasts=0.5, kind=3, attributes={"gen_ai.request.model": "m", "other": [1]})

    [event] = events_of(request(sent, resource=resource, scope="lib"))
    [parent] = events_of(request(span(1)))

    assert event.parent_span_id == parent.id
    assert event.trace_id == parent.trace_id
    assert parent.parent_span_id is None
    assert (event.start_time_us, event.end_time_us) == (START_US + SECOND_US, START_US + SECOND_US * 3 // 2)
    assert (event.version_us, event.received_at_us) == (event.end_time_us, RECEIVED_AT_US)
    assert (event.name, event.type, event.model, event.environment) == ("span 2", "llm", "m", "prod")
    assert json.loads(event.metadata or "") == {
        "other": [1],
        "otel": {
            "trace_id": TRACE_ID,
            "span_id": f"{2:016x}",
            "kind": "client",
            "scope": "lib",
            "resource": resource,
        },
    }


def test_the_same_span_sent_again_is_the_same_event() -> None:
    assert events_of(request(span(1))) == events_of(request(span(1), span(2)))[:1]


@pytest.mark.parametrize(
    ("resource", "header", "project"),
    [
        ({"openinference.project.name": "by resource"}, "by header", "by resource"),
        ({}, "by header", "by header"),
        ({"openinference.project.name": " "}, None, None),
    ],
)
def test_the_project_is_the_resources_before_the_headers(
    resource: dict[str, Any], header: str | None, project: str | None
) -> None:
    [event] = events_of(request(span(), resource=resource), header)

    assert event.project_name == project
    assert event.project_id == (None if project is None else project_id("w", project))


def test_an_error_is_its_last_exception_else_its_type_and_status() -> None:
    failed = {"status": {"code": 2, "message": "it broke"}}
    exception = {"exception.type": "ValueError", "exception.message": "no", "exception.stacktrace": "at line 1"}
    event = {"name": "exception", "timeUnixNano": "1", "attributes": exception}
    first, second, third, fine = events_of(
        request(
            span(1, events=[event], **failed),
            span(2, attributes={"error.type": "timeout"}, **failed),
            span(3, **failed),
            span(4, events=[event]),
        )
    )

    assert json.loads(first.error_info or "") == {
        "exception_type": "ValueError",
        "message": "no",
        "traceback": "at line 1",
    }
    assert json.loads(second.error_info or "")["exception_type"] == "timeout"
    assert json.loads(third.error_info or "") == {"exception_type": "Error", "message": "it broke", "traceback": ""}
    assert fine.error_info is None
    assert json.loads(fine.metadata or "")["otel"]["events"][0]["attributes"] == exception


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"traceId": "00" * 16}, "traceId"),
        ({"spanId": ""}, "spanId"),
        ({"parentSpanId": "ff"}, "parentSpanId"),
        ({"startTimeUnixNano": "0"}, "startTimeUnixNano"),
        ({"endTimeUnixNano": str(2**64 - 1)}, "endTimeUnixNano"),
        ({"attributes": [{"key": "thread_id", "value": {"stringValue": "x" * 65}}]}, "thread_id"),
        ({"attributes": [{"key": "llm.cost.total", "value": {"doubleValue": 1e12}}]}, "cost"),
        ({"attributes": [{"key": "gen_ai.prompt.0" + ".x" * 50_000, "value": {"intValue": 1}}]}, "nesting"),
    ],
)
def test_a_span_that_cannot_be_used_says_why(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed) as refused:
        events_of(request(span() | wrong))

    assert refused.value.field == field


def test_a_span_that_has_not_ended_is_versioned_by_its_start() -> None:
    [event] = events_of(request(span() | {"endTimeUnixNano": "0"}))

    assert (event.end_time_us, event.version_us) == (None, START_US)


def test_the_official_openai_instrumentation_is_understood() -> None:
    chat, turn, *_, failed, failed_turn, alone = [event for body in recorded("openai-v2") for event in events_of(body)]

    assert (chat.name, chat.type, chat.model, chat.provider) == ("chat gpt-4o-mini", "llm", "gpt-4o-mini", "openai")
    assert chat.usage == {"prompt_tokens": 8, "completion_tokens": 5, "total_tokens": 13}
    assert json.loads(chat.input or "")["messages"][-1]["parts"] == [{"type": "text", "content": "What is Opik?"}]
    assert json.loads(chat.output or "")["messages"][0]["parts"][0]["content"] == "You said: What is Opik?"
    assert (cost_of(chat.rates, chat.usage), chat.rates_version) == (Decimal("0.0000042"), SOURCE)
    assert (chat.parent_span_id, turn.parent_span_id) == (turn.id, None)
    assert (turn.type, turn.input, turn.output) == ("general", '"What is Opik?"', '"answered: What is Opik?"')
    assert failed.output is None
    assert "The model refuses" in json.loads(failed.error_info or "")["message"]
    assert json.loads(failed_turn.error_info or "")["exception_type"] == "openai.BadRequestError"
    assert alone.parent_span_id is None


def test_open_inferences_langchain_instrumentation_is_understood() -> None:
    [body] = recorded("openinference-langchain")
    by_name = {event.name: event for event in events_of(body)}

    chat, root = by_name["ChatOpenAI"], by_name["RunnableAssign<answer>"]
    assert (chat.type, chat.model, chat.provider) == ("llm", "gpt-4o-mini", "openai")
    assert chat.usage == {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
    assert json.loads(chat.input or "")["messages"][1] == {"role": "user", "content": "What is Opik?"}
    assert json.loads(chat.metadata or "")["ls_provider"] == "openai"
    assert (root.input, json.loads(root.output or "")["answer"]) == ('"What is Opik?"', "You said: What is Opik?")
    assert {event.project_name for event in by_name.values()} == {"p1"}
    assert {event.type for name, event in by_name.items() if name != "ChatOpenAI"} == {"general"}
