"""A closed thread as a conversation: what an evaluator is given."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import msgspec
import orjson

from pipeline.events.threads import CloseReason

Side = Literal["user", "assistant"]

_ROLES: Final[Mapping[Side, frozenset[str]]] = {
    "user": frozenset({"user", "human", "humanmessage"}),
    "assistant": frozenset({"assistant", "ai", "model", "agent", "aimessage", "aimessagechunk"}),
}
_SPEAKERS: Final = frozenset().union(
    *_ROLES.values(), {"system", "developer", "systemmessage", "tool", "function", "toolmessage"}
)
"""What else names itself by a type, such as a part of a message, is no speaker."""
_NO_WORDS: Final = frozenset(
    {
        "function_call", "function_call_output", "tool_call", "tool_call_response", "tool_use", "tool_result",
        "tool-call", "tool-result", "reasoning", "thinking", "blob",
    }
)  # fmt: skip
"""Parts of messages that nobody says to anybody."""
_NAMES: Final[Mapping[Side, tuple[str, ...]]] = {
    "user": (
        "user", "question", "query", "prompt", "user_input", "message", "input", "text", "messages", "contents",
        "content", "parts",
    ),
    "assistant": (
        "assistant", "answer", "response", "output_text", "output", "choices", "candidates", "message", "messages",
        "content", "parts", "text", "result",
    ),
}  # fmt: skip
_DEPTH_MAX: Final = 8


class Span(NamedTuple):
    """One step inside a turn; payloads are JSON text, times microseconds since 1970 UTC."""

    id: UUID
    trace_id: UUID
    parent_span_id: UUID | None
    name: str | None
    type: str | None
    model: str | None
    started_at_us: int | None
    ended_at_us: int | None
    input: str | None
    output: str | None
    error: str | None


class Turn(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One trace: what the user said and what was answered. Payloads are JSON text, as the producer wrote it."""

    trace_id: UUID
    started_at_us: int | None = None
    ended_at_us: int | None = None
    input: str | None = None
    output: str | None = None
    error: str | None = None
    environment: str | None = None
    source: str | None = None
    spans: tuple[Span, ...] = ()

    @cached_property
    def question(self) -> str:
        """The words of the user, '' where there are none."""
        return words(self.input, "user")

    @cached_property
    def answer(self) -> str:
        """The words of the assistant, '' where there are none."""
        return words(self.output, "assistant")

    @property
    def latency_seconds(self) -> float | None:
        """How long the answer took, None where it is not known."""
        if self.started_at_us is None or self.ended_at_us is None or self.ended_at_us < self.started_at_us:
            return None
        return (self.ended_at_us - self.started_at_us) / 1e6


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """A thread up to the close of one of its sessions: every turn, also those of earlier sessions, as they began."""

    workspace: str
    project_id: UUID
    thread_id: str
    thread_model_id: UUID
    session_id: str
    closed_at_us: int
    reason: CloseReason
    turns: tuple[Turn, ...]

    @property
    def duration_seconds(self) -> float:
        """From the beginning of the first turn to the end of the last."""
        starts = [turn.started_at_us for turn in self.turns if turn.started_at_us is not None]
        ends = [turn.ended_at_us for turn in self.turns if turn.ended_at_us is not None]
        return max(0.0, (max(ends) - min(starts)) / 1e6) if starts and ends else 0.0


def words(text: str | None, side: Side) -> str:
    """Return the words of a message, whatever shape the SDK sent, '' where it has none.

    A string, {"user"} and {"assistant"}, a history of messages, choices, candidates, contents, parts: the same rules by
    which the page shows a conversation. Text that is not JSON is taken as it is.
    """
    if not text:
        return ""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text.strip()
    return (_inside(document, side, 0) or "").strip()


def _inside(value: Any, side: Side, depth: int) -> str | None:
    if isinstance(value, str):
        return value
    if depth > _DEPTH_MAX:
        return None
    if isinstance(value, list):
        return _of_list(value, side, depth)
    return _of_object(value, side, depth) if isinstance(value, dict) else None


def _of_list(items: list[Any], side: Side, depth: int) -> str | None:
    if any(_speaker(item) for item in items):
        for item in reversed(items):
            if _speaker(item) in _ROLES[side]:
                said = next((item[name] for name in ("content", "parts", "text") if item.get(name) is not None), None)
                if found := _inside(said, side, depth + 1):
                    return found
        return None
    parts = [found for item in items if (found := _inside(item, side, depth + 1))]
    return "\n".join(parts) if parts else None


def _of_object(members: dict[str, Any], side: Side, depth: int) -> str | None:
    if members.get("type") in _NO_WORDS:
        return None
    for name in _NAMES[side]:
        if members.get(name) is not None:
            found = _inside(members[name], side, depth + 1)
            if found is not None:
                return found
    return _inside(next(iter(members.values())), side, depth + 1) if len(members) == 1 else None


def _speaker(item: Any) -> str | None:
    if not isinstance(item, dict):
        return None
    role = item.get("role")
    if role is None and item.get("content"):
        role = item.get("type")
    return name if isinstance(role, str) and (name := role.lower()) in _SPEAKERS else None
