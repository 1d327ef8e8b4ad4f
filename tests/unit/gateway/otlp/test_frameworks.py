"""What the frameworks themselves have sent, and what is made of it: turns that can be read, usage counted once."""

import json
from typing import Any

import pytest

from pipeline.adapters.clock import ManualClock
from pipeline.gateway.opik.values import Reception
from pipeline.gateway.otlp.conventions import Meaning, meaning_of
from pipeline.gateway.otlp.json_form import incoming
from pipeline.gateway.otlp.spans import Reading, Understood
from pipeline.gateway.otlp.telemetry import SpanSent
from pipeline.gateway.otlp.traces import trace_events
from tests.support.otlp import START_US, recorded

ASKED, ANSWERED = "How is the weather?", "It rains in Oslo."


def understood(name: str) -> list[Understood]:
    reading = Reading(Reception("w", ManualClock(START_US), 64), "p")
    return [reading.understood(one) for body in recorded(name) for one in incoming(json.dumps(body).encode())]


def meant(attributes: dict[str, Any], kind: int = 1) -> Meaning:
    return meaning_of(SpanSent(b"", b"", b"", "", 0, 0, kind=kind, attributes=attributes))


@pytest.mark.parametrize(
    ("name", "thread", "turns", "tokens"),
    [
        ("pydantic-ai", "pydantic-1", [(ASKED, ANSWERED), ("And now?", "You said: And now?")], [25, 36, 36]),
        ("pydantic-ai-v2", "pydantic-1", [(ASKED, ANSWERED), ("And now?", "You said: And now?")], [25, 36, 36]),
        ("vercel-ai-6", "vercel-1", [(ASKED, ANSWERED)], [14, 14]),
        ("vercel-ai-7", "vercel-1", [(ASKED, ANSWERED)], [14, 14]),
    ],
)
def test_a_conversation_can_be_read_and_its_usage_is_counted_once(
    name: str, thread: str, turns: list[tuple[str, str]], tokens: list[int]
) -> None:
    spans = understood(name)

    wholes = sorted(
        (event for event in trace_events(spans) if event.event == "create"), key=lambda event: event.start_time_us or 0
    )

    assert {event.thread_id for event in trace_events(spans) if event.thread_id} == {thread}
    for event, (asked, answered) in zip(wholes, turns, strict=True):
        assert asked in (event.input or "")
        assert answered in (event.output or "")
        assert answered not in (event.input or "")
    assert [span.event.usage["total_tokens"] for span in spans if span.event.usage] == tokens
    assert all(span.event.type == "llm" for span in spans if span.event.usage or span.event.total_estimated_cost)


@pytest.mark.parametrize("name", ["pydantic-ai", "pydantic-ai-v2", "vercel-ai-6", "vercel-ai-7"])
def test_tools_say_what_went_in_and_out(name: str) -> None:
    [tool] = [span.event for span in understood(name) if span.event.type == "tool"]

    assert (json.loads(tool.input or ""), "rain" in (tool.output or "")) == ({"city": "Oslo"}, True)


def test_a_run_of_an_agent_was_asked_what_is_new_up_to_the_first_answer() -> None:
    said = [{"role": role, "content": str(number)} for number, role in enumerate(
        ["user", "assistant", "system", "user", "assistant"]
    )]  # fmt: skip
    given = {"pydantic_ai.all_messages": json.dumps(said)}

    assert json.loads(meant(given).input or "") == {"messages": said[:1]}
    assert json.loads(meant(given | {"pydantic_ai.new_message_index": 2}).input or "") == {"messages": said[2:4]}
    assert meant(given).rest == given, "all of them are kept"
    assert meant({"pydantic_ai.all_messages": "{broken"}).input is None


def test_what_an_agent_elsewhere_used_is_counted_and_a_sum_over_calls_is_not() -> None:
    sums = {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 5, "operation.cost": 0.5}

    assert (meant(sums).usage, meant(sums).cost) == ({}, None)
    assert meant(sums).rest["gen_ai.usage.input_tokens"] == 5
    assert meant(sums, kind=3).usage == {"prompt_tokens": 5, "total_tokens": 5}


@pytest.mark.parametrize(
    ("attributes", "thread"),
    [
        ({"traceloop.association.properties.session_id": "s"}, "s"),
        ({"ai.telemetry.metadata.sessionId": "s", "ai.telemetry.metadata.threadId": "t"}, "t"),
        ({"session.id": "first", "ai.telemetry.metadata.threadId": "t"}, "first"),
    ],
)
def test_a_thread_is_found_where_frameworks_let_it_be_named(attributes: dict[str, Any], thread: str) -> None:
    assert meant(attributes).thread_id == thread


def test_the_ai_sdk_tells_when_the_first_piece_came_and_what_was_embedded() -> None:
    streamed = meant({"ai.operationId": "ai.streamText.doStream", "ai.response.msToFirstChunk": 12.5})
    embedded = meant({"ai.operationId": "ai.embed.doEmbed", "ai.model.id": "m", "ai.usage.tokens": 3})

    assert (streamed.type, streamed.ttft) == ("llm", 12.5)
    assert (embedded.type, embedded.model, embedded.usage) == ("llm", "m", {"prompt_tokens": 3, "total_tokens": 3})
