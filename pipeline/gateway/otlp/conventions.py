"""What the attributes of a span mean: OpenTelemetry's conventions for generative AI, and OpenInference's.

Of several names for one thing the current one counts: `gen_ai.*` (semantic conventions 1.37 and later), then
OpenInference, then the older names that instrumentations still send: `gen_ai.system`, `gen_ai.prompt.<n>` and
`traceloop.*` (OpenLLMetry), and events with contents (semantic conventions 1.26 to 1.36); last those of frameworks
(`frameworks`).

A span around calls of models, such as the run of an agent, may say the sum of what they used and cost. It is not taken
for usage, which is summed over spans; of a call of an agent elsewhere (a span of kind client) it is.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from pipeline.gateway.otlp import frameworks
from pipeline.gateway.otlp.attributes import Taken, json_of, json_or_text, object_of
from pipeline.gateway.otlp.telemetry import SpanSent

_LLM_OPERATIONS: Final = frozenset({"chat", "text_completion", "generate_content", "embeddings"})
_TOOL_OPERATIONS: Final = frozenset({"execute_tool", "retrieval"})
_TYPE_OF_KIND: Final = {
    "LLM": "llm", "EMBEDDING": "llm", "TOOL": "tool", "RETRIEVER": "tool", "RERANKER": "tool", "GUARDRAIL": "guardrail",
}  # fmt: skip
_SAY_WHAT_THEY_ARE: Final = (
    "openinference.span.kind", "gen_ai.operation.name", "traceloop.span.kind", "ai.operationId", "gen_ai.agent.name",
)  # fmt: skip
_CLIENT: Final = 3  # SpanKind of trace.proto
_PLAIN_TEXT: Final = "text/plain"
_DETAILS_EVENT: Final = "gen_ai.client.inference.operation.details"
_PROMPT_EVENT: Final = "gen_ai.content.prompt"
_COMPLETION_EVENT: Final = "gen_ai.content.completion"
_CHOICE_EVENT: Final = "gen_ai.choice"
_MESSAGE_EVENTS: Final = {
    "gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}  # fmt: skip
_WRAPPERS: Final = ("message", "tool_call", "message_content", "document")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a span says in our terms; JSON texts as they are stored, ttft in milliseconds."""

    type: str
    thread_id: str | None
    input: str | None
    output: str | None
    model: str | None
    provider: str | None
    usage: dict[str, int]
    cost: Decimal | None
    ttft: float | None
    tags: tuple[str, ...]
    rest: dict[str, Any]
    """What has no place of its own, for the metadata."""


def meaning_of(span: SpanSent) -> Meaning:
    """Return what a span says."""
    taken = Taken(span.attributes)
    model = taken.text(
        "gen_ai.response.model", "gen_ai.request.model", "llm.response.model_name", "llm.model_name",
        "llm.request.model_name", "embedding.model_name", "reranker.model_name", "ai.response.model", "ai.model.id",
    )  # fmt: skip
    type_ = _type(taken, model)
    is_around = type_ == "general" and span.kind != _CLIENT and taken.text(*_SAY_WHAT_THEY_ARE) is not None
    return Meaning(
        type=type_,
        thread_id=taken.text("thread_id", "gen_ai.conversation.id", "session.id", *frameworks.THREADS),
        input=_input(taken, span),
        output=_output(taken, span),
        model=model,
        provider=taken.text("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider"),
        usage={} if is_around else _usage(taken),
        cost=None if is_around else _cost(taken),
        ttft=_ttft(taken),
        tags=_tags(taken),
        rest=_rest(taken),
    )


def _type(taken: Taken, model: str | None) -> str:
    kind = taken.text("openinference.span.kind")
    if kind is not None:
        return _TYPE_OF_KIND.get(kind.upper(), "general")
    operation = taken.text("gen_ai.operation.name", "traceloop.span.kind", "llm.request.type")
    if operation in _TOOL_OPERATIONS or operation == "tool":
        return "tool"
    if operation is None and (known := frameworks.type_of(taken)) is not None:
        return known
    is_call = operation in _LLM_OPERATIONS or operation == "completion"
    return "llm" if is_call or (operation is None and model is not None) else "general"


def _input(taken: Taken, span: SpanSent) -> str | None:
    messages = _messages(taken, "gen_ai.input.messages", "llm.input_messages", "gen_ai.prompt")
    messages = messages or _of_events(span, _PROMPT_EVENT, "gen_ai.prompt", "gen_ai.input.messages")
    if messages is None and (said := _message_events(span)):
        messages = json_of(said)
    if messages is not None:
        instructions = taken.first("gen_ai.system_instructions")
        system = "" if instructions is None else f',"system_instructions":{json_or_text(instructions)}'
        return f'{{"messages":{messages}{system}}}'
    return _value(
        taken, "input", "gen_ai.prompt", "traceloop.entity.input", "gen_ai.tool.call.arguments",
        "gen_ai.retrieval.query.text",
    ) or frameworks.input_of(taken)  # fmt: skip


def _output(taken: Taken, span: SpanSent) -> str | None:
    messages = _messages(taken, "gen_ai.output.messages", "llm.output_messages", "gen_ai.completion")
    messages = messages or _of_events(span, _COMPLETION_EVENT, "gen_ai.completion", "gen_ai.output.messages")
    if messages is None and (choices := _choices(span)):
        return json_of({"choices": choices})
    if messages is not None:
        return f'{{"messages":{messages}}}'
    documents = taken.nested("retrieval.documents")
    if documents is not None:
        return json_of({"documents": _unwrapped(documents)})
    return _value(
        taken, "output", "gen_ai.completion", "traceloop.entity.output", "gen_ai.tool.call.result"
    ) or frameworks.output_of(taken)  # fmt: skip


def _messages(taken: Taken, current: str, open_inference: str, older: str) -> str | None:
    """Return the JSON text of a list of messages."""
    given = taken.first(current)
    if given is not None:
        return json_or_text(given)
    for prefix in (open_inference, older):
        nested = taken.nested(prefix)
        if nested is not None:
            return json_of(_unwrapped(nested))
    return None


def _value(taken: Taken, side: str, *others: str) -> str | None:
    """Return the JSON text of OpenInference's `<side>.value`, or of the first of `others` that there is."""
    given = taken.first(f"{side}.value")
    if given is not None:
        return json_or_text(given, is_text=taken.text(f"{side}.mime_type") == _PLAIN_TEXT)
    given = taken.first(*others)
    return None if given is None else json_or_text(given)


def _of_events(span: SpanSent, older_event: str, older: str, current: str) -> str | None:
    for event in span.events:
        name = older if event.name == older_event else current if event.name == _DETAILS_EVENT else None
        if name is not None and event.attributes.get(name) is not None:
            return json_or_text(event.attributes[name])
    return None


def _message_events(span: SpanSent) -> list[dict[str, Any]]:
    """Return the messages that events tell one by one; some put the body of the event into `gen_ai.event.content`."""
    return [
        {"role": _MESSAGE_EVENTS[event.name]} | _body(event.attributes)
        for event in span.events
        if event.name in _MESSAGE_EVENTS
    ]


def _choices(span: SpanSent) -> list[dict[str, Any]]:
    return [_body(event.attributes) for event in span.events if event.name == _CHOICE_EVENT]


def _body(attributes: Any) -> dict[str, Any]:
    content = attributes.get("gen_ai.event.content")
    if isinstance(content, str) and (body := object_of(content)) is not None:
        return body
    return {
        name: msgspec.Raw(json_or_text(given).encode())
        for name, given in attributes.items()
        if name not in {"gen_ai.system", "gen_ai.provider.name"}
    }


def _unwrapped(nested: Any) -> Any:
    """Return OpenInference's nested objects without the names that only repeat what they are: {"message": {...}}."""
    if isinstance(nested, list):
        return [_unwrapped(item) for item in nested]
    if not isinstance(nested, dict):
        return nested
    if len(nested) == 1 and (wrapper := next(iter(nested))) in _WRAPPERS and isinstance(nested[wrapper], dict):
        return _unwrapped(nested[wrapper])
    return {name: _unwrapped(inside) for name, inside in nested.items()}


def _usage(taken: Taken) -> dict[str, int]:
    """Return the counts of tokens under the names that Opik gives them."""
    prompt = taken.count(
        "gen_ai.usage.input_tokens", "llm.token_count.prompt", "gen_ai.usage.prompt_tokens", "ai.usage.inputTokens",
        "ai.usage.promptTokens", "ai.usage.tokens",
    )  # fmt: skip
    completion = taken.count(
        "gen_ai.usage.output_tokens", "llm.token_count.completion", "gen_ai.usage.completion_tokens",
        "ai.usage.outputTokens", "ai.usage.completionTokens",
    )  # fmt: skip
    total = taken.count(
        "llm.token_count.total", "gen_ai.usage.total_tokens", "llm.usage.total_tokens", "ai.usage.totalTokens"
    )
    if total is None and (prompt is not None or completion is not None):
        total = (prompt or 0) + (completion or 0)
    found = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": total,
        "cache_read_input_tokens": taken.count(
            "gen_ai.usage.cache_read.input_tokens", "llm.token_count.prompt_details.cache_read",
            "gen_ai.usage.cache_read_input_tokens", "ai.usage.inputTokenDetails.cacheReadTokens",
            "ai.usage.cachedInputTokens",
        ),
        "cache_creation_input_tokens": taken.count(
            "gen_ai.usage.cache_creation.input_tokens", "llm.token_count.prompt_details.cache_write",
            "gen_ai.usage.cache_creation_input_tokens", "ai.usage.inputTokenDetails.cacheWriteTokens",
        ),
        "reasoning_tokens": taken.count(
            "gen_ai.usage.reasoning.output_tokens", "llm.token_count.completion_details.reasoning",
            "gen_ai.usage.reasoning_tokens", "ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens",
        ),
        "input_audio_tokens": taken.count("llm.token_count.prompt_details.audio"),
        "output_audio_tokens": taken.count("llm.token_count.completion_details.audio"),
    }  # fmt: skip
    return {name: count for name, count in found.items() if count is not None}


def _cost(taken: Taken) -> Decimal | None:
    """Return what the sender says the call cost, in US dollars."""
    dollars = taken.number("gen_ai.usage.cost", "llm.cost.total", "operation.cost")
    return None if dollars is None else Decimal(str(dollars))


def _ttft(taken: Taken) -> float | None:
    """Return the time to the first piece of an answer, in milliseconds."""
    seconds = taken.number("gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token")
    if seconds is not None:
        return seconds * 1000
    return taken.number("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk")


def _tags(taken: Taken) -> tuple[str, ...]:
    given = taken.first("tag.tags", "ai.telemetry.metadata.tags")
    if isinstance(given, str):
        given = [given]
    return tuple(dict.fromkeys(str(tag) for tag in given)) if isinstance(given, list) else ()


def _rest(taken: Taken) -> dict[str, Any]:
    """Return the attributes that have no other place, and what OpenInference's own metadata, which are JSON, hold."""
    given = taken.text("metadata")
    own = object_of(given)
    return taken.rest() | ({} if given is None else {"metadata": given} if own is None else own)
