import json
from decimal import Decimal
from typing import Any

import pytest

from pipeline.gateway.otlp.conventions import Meaning, meaning_of
from pipeline.gateway.otlp.telemetry import SpanEventSent, SpanSent

PARTS = [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]


def meant(attributes: dict[str, Any], *events: tuple[str, dict[str, Any]]) -> Meaning:
    happened = tuple(SpanEventSent(name, 0, given) for name, given in events)
    return meaning_of(SpanSent(b"", b"", b"", "", 0, 0, attributes=attributes, events=happened))


def messages(attributes: dict[str, Any], *events: tuple[str, dict[str, Any]]) -> tuple[Any, Any]:
    meaning = meant(attributes, *events)
    return json.loads(meaning.input or "null"), json.loads(meaning.output or "null")


def test_the_current_conventions_of_generative_ai_are_understood() -> None:
    meaning = meant(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "anthropic",
            "gen_ai.system": "older",
            "gen_ai.request.model": "claude-sonnet",
            "gen_ai.response.model": "claude-sonnet-4-5",
            "gen_ai.conversation.id": "conversation-1",
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 4,
            "gen_ai.usage.cache_read.input_tokens": 6,
            "gen_ai.usage.reasoning.output_tokens": 2,
            "gen_ai.response.time_to_first_chunk": 0.25,
            "gen_ai.input.messages": json.dumps(PARTS),
            "gen_ai.system_instructions": [{"type": "text", "content": "Be brief"}],
            "gen_ai.output.messages": [{"role": "assistant", "finish_reason": "stop"}],
            "gen_ai.request.temperature": 0.5,
        }
    )

    assert (meaning.type, meaning.thread_id, meaning.provider) == ("llm", "conversation-1", "anthropic")
    assert (meaning.model, meaning.ttft, meaning.cost) == ("claude-sonnet-4-5", 250, None)
    assert meaning.usage == {
        "prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14, "cache_read_input_tokens": 6,
        "reasoning_tokens": 2,
    }  # fmt: skip
    assert json.loads(meaning.input or "") == {
        "messages": PARTS,
        "system_instructions": [{"type": "text", "content": "Be brief"}],
    }
    assert json.loads(meaning.output or "") == {"messages": [{"role": "assistant", "finish_reason": "stop"}]}
    assert meaning.rest == {
        "gen_ai.system": "older", "gen_ai.request.model": "claude-sonnet", "gen_ai.request.temperature": 0.5,
    }  # fmt: skip


def test_open_inference_is_understood() -> None:
    meaning = meant(
        {
            "openinference.span.kind": "LLM",
            "session.id": "session-1",
            "llm.model_name": "gpt-4o",
            "llm.provider": "azure",
            "llm.system": "openai",
            "llm.token_count.prompt": 3,
            "llm.token_count.completion": 2,
            "llm.token_count.total": 5,
            "llm.token_count.prompt_details.cache_read": 1,
            "llm.cost.total": 0.125,
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.contents.0.message_content.type": "text",
            "llm.input_messages.0.message.contents.0.message_content.text": "Hi",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "weather",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{}",
            "tag.tags": ["a", "b", "a"],
            "metadata": '{"tier": "gold"}',
            "user.id": "u-1",
        }
    )

    assert (meaning.type, meaning.thread_id, meaning.provider) == ("llm", "session-1", "azure")
    assert meaning.usage == {
        "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "cache_read_input_tokens": 1,
    }  # fmt: skip
    assert (meaning.cost, meaning.tags) == (Decimal("0.125"), ("a", "b"))
    assert json.loads(meaning.input or "") == {
        "messages": [{"role": "user", "contents": [{"type": "text", "text": "Hi"}]}]
    }
    assert json.loads(meaning.output or "") == {
        "messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "weather", "arguments": "{}"}}]}]
    }
    assert meaning.rest == {"llm.system": "openai", "tier": "gold", "user.id": "u-1"}


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        ({"openinference.span.kind": "CHAIN"}, "general"),
        ({"openinference.span.kind": "PROMPT", "llm.model_name": "m"}, "general"),
        ({"openinference.span.kind": "TOOL"}, "tool"),
        ({"openinference.span.kind": "retriever"}, "tool"),
        ({"openinference.span.kind": "GUARDRAIL"}, "guardrail"),
        ({"openinference.span.kind": "EMBEDDING"}, "llm"),
        ({"gen_ai.operation.name": "execute_tool"}, "tool"),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "m"}, "general"),
        ({"gen_ai.operation.name": "embeddings"}, "llm"),
        ({"gen_ai.request.model": "m"}, "llm"),
        ({"traceloop.span.kind": "tool"}, "tool"),
        ({"traceloop.span.kind": "workflow"}, "general"),
        ({"llm.request.type": "chat"}, "llm"),
        ({"http.request.method": "GET"}, "general"),
    ],
)
def test_a_span_is_of_the_kind_it_says(attributes: dict[str, Any], wanted: str) -> None:
    assert meant(attributes).type == wanted


@pytest.mark.parametrize(
    ("attributes", "thread"),
    [
        ({"thread_id": "t", "gen_ai.conversation.id": "c", "session.id": "s"}, "t"),
        ({"gen_ai.conversation.id": "c", "session.id": "s"}, "c"),
        ({"thread_id": "  ", "session.id": "s"}, "s"),
        ({"thread_id": 7}, None),
        ({}, None),
    ],
)
def test_the_thread_is_thread_id_before_conversation_before_session(
    attributes: dict[str, Any], thread: str | None
) -> None:
    assert meant(attributes).thread_id == thread


def test_values_of_open_inference_are_json_where_they_say_or_look_so() -> None:
    both = messages({"input.value": '{"q": 1}', "input.mime_type": "application/json", "output.value": "[1]"})

    assert both == ({"q": 1}, [1])
    assert messages({"input.value": "[1]", "input.mime_type": "text/plain"})[0] == "[1]"
    assert messages({"output.value": "{broken"})[1] == "{broken"


def test_older_names_of_prompts_and_completions_are_understood() -> None:
    flattened = {
        "gen_ai.system": "OpenAI",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Hi",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "Hello",
        "gen_ai.usage.prompt_tokens": 1,
        "gen_ai.usage.completion_tokens": 2,
        "llm.usage.total_tokens": 3,
    }

    assert messages(flattened) == (
        {"messages": [{"role": "user", "content": "Hi"}]},
        {"messages": [{"role": "assistant", "content": "Hello"}]},
    )
    assert meant(flattened).usage == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert meant(flattened).provider == "OpenAI"
    assert messages({"gen_ai.prompt": '[{"role": "user"}]', "gen_ai.completion": "Hello"}) == (
        [{"role": "user"}],
        "Hello",
    )
    assert messages({"traceloop.entity.input": '{"a": 1}', "traceloop.entity.output": "x"}) == ({"a": 1}, "x")


def test_contents_are_found_in_events() -> None:
    assert messages(
        {},
        ("gen_ai.content.prompt", {"gen_ai.prompt": '[{"role": "user", "content": "Hi"}]'}),
        ("gen_ai.content.completion", {"gen_ai.completion": '[{"role": "assistant"}]'}),
    ) == ({"messages": [{"role": "user", "content": "Hi"}]}, {"messages": [{"role": "assistant"}]})
    assert messages(
        {},
        ("gen_ai.system.message", {"gen_ai.event.content": '{"content": "Be brief"}', "gen_ai.system": "az"}),
        ("gen_ai.user.message", {"content": "Hi", "gen_ai.system": "openai"}),
        ("gen_ai.choice", {"index": 0, "message": '{"content": "Hello"}'}),
    ) == (
        {"messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}]},
        {"choices": [{"index": 0, "message": {"content": "Hello"}}]},
    )
    details = {"gen_ai.input.messages": PARTS, "gen_ai.output.messages": PARTS}
    assert messages({}, ("gen_ai.client.inference.operation.details", details)) == (
        {"messages": PARTS},
        {"messages": PARTS},
    )


def test_tools_and_retrievals_tell_what_went_in_and_out() -> None:
    assert messages({"gen_ai.tool.call.arguments": '{"city": "Oslo"}', "gen_ai.tool.call.result": "rain"}) == (
        {"city": "Oslo"},
        "rain",
    )
    assert messages(
        {"input.value": "weather", "retrieval.documents.0.document.content": "rain", "output.value": "raw"}
    ) == ("weather", {"documents": [{"content": "rain"}]})


def test_metadata_that_is_no_json_object_is_kept_as_it_came() -> None:
    assert meant({"metadata": "[1]"}).rest == {"metadata": "[1]"}
    assert meant({"metadata": 7}).rest == {"metadata": 7}
