"""Names of their own that frameworks give to what the conventions have no name for, or had none when they began.

The AI SDK of Vercel (`ai.*`; from version 7 on it follows the conventions, with `LegacyOpenTelemetry` still these) and
Pydantic AI, whose run of an agent tells its conversation by `pydantic_ai.all_messages` and its answer by
`final_result`.
"""

from typing import Any, Final

import msgspec

from pipeline.gateway.otlp.attributes import Taken, json_of, json_or_text, parsed_text

THREADS: Final = (
    "ai.telemetry.metadata.threadId", "ai.telemetry.metadata.thread_id", "ai.telemetry.metadata.sessionId",
    "ai.telemetry.metadata.session_id", "traceloop.association.properties.thread_id",
    "traceloop.association.properties.session_id",
)  # fmt: skip
"""Where a conversation is named by whoever calls the AI SDK, or uses OpenLLMetry's association properties."""

_CALLS: Final = (".doGenerate", ".doStream", ".doEmbed", ".doRerank")
_TOOL_CALL: Final = "ai.toolCall"
_ALL_MESSAGES: Final = ("pydantic_ai.all_messages", "all_messages_events")
_NEW_MESSAGES_FROM: Final = "pydantic_ai.new_message_index"
_ASSISTANT: Final = "assistant"


def type_of(taken: Taken) -> str | None:
    """Return the type of a span that a framework made, or None where none says one."""
    operation = taken.text("ai.operationId")
    if operation is not None:
        return "llm" if operation.endswith(_CALLS) else "tool" if operation == _TOOL_CALL else "general"
    return "tool" if taken.text("gen_ai.tool.name") is not None else None


def input_of(taken: Taken) -> str | None:
    """Return the JSON text of what went into a span."""
    given = taken.first("ai.prompt.messages")
    if given is not None:
        return f'{{"messages":{json_or_text(given)}}}'
    return _asked(taken) or _json_of_first(taken, "ai.prompt", "ai.toolCall.args", "tool_arguments")


def output_of(taken: Taken) -> str | None:
    """Return the JSON text of what came out of a span."""
    text, calls = taken.first("ai.response.text"), taken.first("ai.response.toolCalls")
    if calls is not None:
        said = {} if text in (None, "") else {"text": text}
        return json_of(said | {"toolCalls": msgspec.Raw(json_or_text(calls).encode())})
    if text is not None:
        return json_of(text)
    return _json_of_first(taken, "ai.response.object", "ai.toolCall.result", "final_result", "tool_response")


def _json_of_first(taken: Taken, *names: str) -> str | None:
    given = taken.first(*names)
    return None if given is None else json_or_text(given)


def _asked(taken: Taken) -> str | None:
    """Return what a run of an agent was asked: of its messages the new ones, up to the first answer.

    All of them stay in the metadata, since the calls within the run may be kept elsewhere.
    """
    for name in _ALL_MESSAGES:
        messages = _list_of(taken.peek(name))
        if messages is not None:
            begin = taken.count(_NEW_MESSAGES_FROM) or 0
            asked: list[Any] = []
            for message in messages[max(0, begin) :]:
                if isinstance(message, dict) and message.get("role") == _ASSISTANT:
                    break
                asked.append(message)
            return json_of({"messages": asked}) if asked else None
    return None


def _list_of(given: Any) -> list[Any] | None:
    document = parsed_text(given) if isinstance(given, str) else None
    found = given if document is None else msgspec.json.decode(document)
    return found if isinstance(found, list) else None
