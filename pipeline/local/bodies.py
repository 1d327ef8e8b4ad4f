"""What an application sends of one turn, in the bodies of Opik's wire protocol.

The input and output of a trace have the shapes that the SDKs' integrations produce: plain text, named members,
OpenAI's chat messages and choices, LangChain's message. Who answered was a person or a corpus, and the span says so
instead of naming a model; token counts are estimated at four characters each, and `metadata` says that too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final, Literal, NamedTuple

from pipeline.local.conversations import CHITCHAT, Conversation, Turn

Kind = Literal["trace", "span", "score"]
Body = dict[str, Any]

CHARACTERS_PER_TOKEN: Final = 4
HISTORY_TURNS_MAX: Final = 4
TURN_NAME: Final = "chat_turn"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Route(Enum):
    """Where events of one sort go: kind, method, path below the base URL, and the member of a batch (None: alone)."""

    TRACES = ("trace", "POST", "v1/private/traces/batch", "traces")
    TRACE_PATCH = ("trace", "PATCH", "v1/private/traces/{id}", None)
    SPANS = ("span", "POST", "v1/private/spans/batch", "spans")
    TRACE_SCORES = ("score", "PUT", "v1/private/traces/feedback-scores", "scores")
    THREAD_SCORES = ("score", "PUT", "v1/private/traces/threads/feedback-scores", "scores")

    def __init__(self, kind: Kind, method: str, path: str, batch_member: str | None) -> None:
        self.kind: Final = kind
        self.method: Final = method
        self.path: Final = path
        self.batch_member: Final = batch_member


class Messages(NamedTuple):
    """Input and output of a trace; output is None where nobody answered."""

    input: object
    output: object | None


Shape = Callable[[Conversation, int], Messages]


def plain_text(conversation: Conversation, place: int) -> Messages:
    """Shape a turn as two bare strings, as the low-level client does."""
    turn = conversation.turns[place]
    return Messages(turn.question, turn.answer)


def named_members(conversation: Conversation, place: int) -> Messages:
    """Shape a turn as `user` and `assistant`, as Opik's own examples do."""
    turn = conversation.turns[place]
    return Messages({"user": turn.question}, None if turn.answer is None else {"assistant": turn.answer})


def openai_chat(conversation: Conversation, place: int) -> Messages:
    """Shape a turn as OpenAI's chat completion: the messages so far (the last four turns), then choices."""
    turn = conversation.turns[place]
    messages = [] if conversation.topic is None else [_said("system", f"The topic: {conversation.topic}")]
    for earlier in conversation.turns[max(0, place - HISTORY_TURNS_MAX) : place]:
        messages += _exchange(earlier)
    messages.append(_said("user", turn.question))
    if turn.answer is None:
        return Messages({"messages": messages}, None)
    choice = {"index": 0, "message": _said("assistant", turn.answer), "finish_reason": "stop"}
    return Messages({"messages": messages}, {"choices": [choice]})


def langchain_message(conversation: Conversation, place: int) -> Messages:
    """Shape a turn as LangChain's tracer does."""
    turn = conversation.turns[place]
    return Messages({"input": turn.question}, None if turn.answer is None else _langchain_output(turn.answer))


SHAPES: Final[Sequence[Shape]] = (plain_text, named_members, openai_chat, langchain_message)


@dataclass(frozen=True, slots=True)
class LoggedTurn:
    """One turn as an application logs it; times are microseconds since 1970 UTC, of the run and not of the source."""

    conversation: Conversation
    place: int
    project_name: str
    trace_id: str
    span_id: str
    asked_at_us: int
    active_at_us: int
    shape: Shape

    @property
    def turn(self) -> Turn:
        """The turn that is logged."""
        return self.conversation.turns[self.place]

    def started(self) -> Body:
        """Return the copy that the SDK sends of a trace still running: no end, no output, and no thread id."""
        return {
            "id": self.trace_id,
            "project_name": self.project_name,
            "name": TURN_NAME,
            "start_time": iso_time(self.asked_at_us),
            "input": self.shape(self.conversation, self.place).input,
            "metadata": self._metadata(),
            "tags": [self.conversation.dataset],
            "last_updated_at": iso_time(self.asked_at_us),
            "source": "sdk",
        }

    def completed(self) -> Body:
        """Return the complete trace, which knows its thread; without an answer it has neither output nor end."""
        return {**self.started(), **self.ended(), "last_updated_at": iso_time(self.active_at_us)}

    def ended(self) -> Body:
        """Return what an explicit `trace.end(thread_id=…)` sends: an update without a version of its own."""
        body: Body = {"project_name": self.project_name, "thread_id": self.conversation.thread_id}
        output = self.shape(self.conversation, self.place).output
        if output is not None:
            body |= {"end_time": iso_time(self.active_at_us), "output": output}
        return body

    def llm_span(self, answer: str) -> Body:
        """Return the span of the call that gave `answer`."""
        messages = self.shape(self.conversation, self.place)
        prompt_tokens, completion_tokens = _tokens(self.turn.question), _tokens(answer)
        return {
            "id": self.span_id,
            "trace_id": self.trace_id,
            "project_name": self.project_name,
            "name": "answer",
            "type": "llm",
            "start_time": iso_time(self.asked_at_us),
            "end_time": iso_time(self.active_at_us),
            "input": messages.input,
            "output": messages.output,
            "metadata": {"usage_estimated": True},
            "model": "human" if self.conversation.dataset == CHITCHAT else "corpus",
            "provider": self.conversation.dataset,
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
            "last_updated_at": iso_time(self.active_at_us),
            "source": "sdk",
        }

    def _metadata(self) -> Body:
        said: Body = {"dataset": self.conversation.dataset, "turn": self.place + 1}
        if self.conversation.topic is not None:
            said["topic"] = self.conversation.topic
        if self.conversation.began_at is not None:
            asked_at = self.conversation.began_at + timedelta(seconds=self.turn.asked_at_seconds)
            said["originally_asked_at"] = asked_at.isoformat()
        return said


def score_bodies(conversation: Conversation, project_name: str, trace_id: str | None) -> list[Body]:
    """Return the conversation's ratings as scores: of the trace where one is named, else of the thread."""
    target = {"thread_id": conversation.thread_id} if trace_id is None else {"id": trace_id}
    return [
        {**target, "project_name": project_name, "name": rating.name, "value": rating.value, "source": "sdk"}
        for rating in conversation.ratings
    ]


def iso_time(at_us: int) -> str:
    """Return microseconds since 1970 UTC as the Python SDK writes a time: UTC with microseconds and a Z."""
    return (_EPOCH + timedelta(microseconds=at_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _exchange(turn: Turn) -> list[dict[str, str]]:
    answered = [] if turn.answer is None else [_said("assistant", turn.answer)]
    return [_said("user", turn.question), *answered]


def _langchain_output(answer: str) -> Body:
    return {"output": {"content": answer, "type": "ai"}}


def _tokens(text: str) -> int:
    return max(1, len(text) // CHARACTERS_PER_TOKEN)
