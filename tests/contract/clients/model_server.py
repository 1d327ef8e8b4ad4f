"""A stand-in for the model providers: real HTTP on 127.0.0.1, answers that can be computed by hand.

It speaks OpenAI chat completions and responses and Gemini generateContent, whole and as a stream. The answer to a text
is `You said: <text>`, usage is counted in words, a text with "refuse" is answered 400, and a text that names one of the
offered tools calls it once with its last word. It is also the HTTP proxy of the clients: what they try to say to
anybody outside this machine is refused here and kept.
"""

import json
import re
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

Json = dict[str, Any]
GEMINI = re.compile(r"/gemini/v1beta/models/(?P<model>[^:]+):(?P<call>generateContent|streamGenerateContent)")
ANSWER = "You said: "


class Turn(NamedTuple):
    """What a provider was asked, whichever its protocol."""

    model: str
    user_text: str
    prompt_words: int
    tools: Json  # name of a tool -> the name of its only parameter
    tool_result: str | None

    @property
    def call(self) -> tuple[str, Json] | None:
        """The tool to call first, with its arguments."""
        wanted = [name for name in self.tools if name in self.user_text and self.tool_result is None]
        return (wanted[0], {self.tools[wanted[0]]: self.user_text.split()[-1]}) if wanted else None

    @property
    def answer(self) -> str:
        """The text of the answer."""
        return ANSWER + (self.user_text if self.tool_result is None else self.tool_result)

    @property
    def answer_words(self) -> int:
        """The size of the answer as providers count it; a call of a tool is one word."""
        return 1 if self.call else len(self.answer.split())


def text_of(content: Any) -> str:
    """Return the text of a message's content: a string, a list of parts, or one part."""
    if isinstance(content, list):
        return " ".join(text_of(part) for part in content)
    return str(content.get("text") or "") if isinstance(content, dict) else str(content or "")


def openai_turn(body: Json) -> Turn:
    """Read a body of chat completions (`messages`) or of responses (`input`)."""
    found = body["messages"] if "messages" in body else body["input"]
    items: list[Json] = [{"role": "user", "content": found}] if isinstance(found, str) else found
    functions = [tool.get("function", tool) for tool in body.get("tools") or []]
    last = items[-1]
    return Turn(
        model=body["model"],
        user_text=[text_of(item["content"]) for item in items if item.get("role") == "user"][-1],
        prompt_words=sum(len(text_of(item.get("content", item.get("output"))).split()) for item in items),
        tools={function["name"]: next(iter(function["parameters"]["properties"])) for function in functions},
        tool_result=text_of(last.get("output", last.get("content")))
        if last.get("role") == "tool" or last.get("type") == "function_call_output"
        else None,
    )


def gemini_turn(model: str, body: Json) -> Turn:
    """Read a body of generateContent."""
    contents = body["contents"]
    texts = [(content.get("role"), text_of(content["parts"])) for content in contents]
    functions = [function for tool in body.get("tools") or [] for function in tool.get("functionDeclarations", [])]
    results = [part["functionResponse"]["response"] for part in contents[-1]["parts"] if "functionResponse" in part]
    return Turn(
        model=model,
        user_text=[text for role, text in texts if role != "model" and text.strip()][-1],
        prompt_words=sum(len(text.split()) for _role, text in texts),
        tools={function["name"]: next(iter(parameters(function)["properties"])) for function in functions},
        tool_result=str(next(iter(results[0].values()))) if results else None,
    )


def parameters(function: Json) -> Json:
    """Return the schema of a Gemini function, under either of its two names."""
    found: Json = function.get("parameters") or function["parameters_json_schema"]
    return found


def openai_usage(turn: Turn, before: str, after: str) -> Json:
    total = turn.prompt_words + turn.answer_words
    return {before: turn.prompt_words, after: turn.answer_words, "total_tokens": total}


def chat_completion(turn: Turn) -> Json:
    message: Json = {"role": "assistant", "content": None if turn.call else turn.answer}
    if turn.call:
        name, arguments = turn.call
        function = {"name": name, "arguments": json.dumps(arguments)}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    finished = "tool_calls" if turn.call else "stop"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": turn.model,
        "choices": [{"index": 0, "message": message, "finish_reason": finished}],
        "usage": openai_usage(turn, "prompt_tokens", "completion_tokens"),
    }


def chat_chunks(turn: Turn) -> Iterator[Json]:
    whole = chat_completion(turn)
    head = {name: whole[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    deltas = [{"role": "assistant", "content": ""}, *({"content": word} for word in words(turn.answer))]
    for delta in deltas:
        yield head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    yield head | {"choices": [], "usage": whole["usage"]}


def response(turn: Turn) -> Json:
    part = {"type": "output_text", "text": turn.answer, "annotations": []}
    item: Json = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]}
    if turn.call:
        name, arguments = turn.call
        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name}
        item |= {"arguments": json.dumps(arguments), "status": "completed"}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": turn.model,
        "status": "completed",
        "output": [item],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": openai_usage(turn, "input_tokens", "output_tokens")
        | {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}},
    }


def response_events(turn: Turn) -> Iterator[Json]:
    whole = response(turn)
    yield {
        "type": "response.created",
        "sequence_number": 0,
        "response": whole | {"status": "in_progress", "output": []},
    }
    for number, word in enumerate(words(turn.answer), 1):
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "sequence_number": number}
        yield {"type": "response.output_text.delta", "delta": word, "logprobs": [], **place}
    yield {"type": "response.completed", "sequence_number": 1 + len(words(turn.answer)), "response": whole}


def gemini_answer(turn: Turn, part: Json) -> Json:
    usage = {"promptTokenCount": turn.prompt_words, "candidatesTokenCount": turn.answer_words}
    return {
        "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": usage | {"totalTokenCount": turn.prompt_words + turn.answer_words},
        "modelVersion": turn.model,
        "responseId": "r-1",
    }


def gemini_part(turn: Turn) -> Json:
    if turn.call is None:
        return {"text": turn.answer}
    name, arguments = turn.call
    return {"functionCall": {"name": name, "args": arguments}}


def gemini_chunks(turn: Turn) -> Iterator[Json]:
    if turn.call:
        yield gemini_answer(turn, gemini_part(turn))
        return
    for word in words(turn.answer):
        yield gemini_answer(turn, {"text": word})


def words(text: str) -> list[str]:
    """Split a text so that the parts make it again."""
    return re.findall(r"\S+\s*", text)


class Handler(BaseHTTPRequestHandler):
    """One request of a client."""

    server: "ModelServer"
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.partition("?")[0]
        if path == "/openai/v1/chat/completions":
            self._answer(openai_turn(body), chat_completion, chat_chunks, stream=bool(body.get("stream")))
        elif path == "/openai/v1/responses":
            self._answer(openai_turn(body), response, response_events, stream=bool(body.get("stream")))
        elif found := GEMINI.fullmatch(path):
            turn = gemini_turn(found["model"], body)
            stream = found["call"] == "streamGenerateContent"
            self._answer(turn, lambda turn: gemini_answer(turn, gemini_part(turn)), gemini_chunks, stream=stream)
        else:
            self._refuse_outsider()

    def do_CONNECT(self) -> None:
        self._refuse_outsider()

    def do_GET(self) -> None:
        self._refuse_outsider()

    def _answer(self, turn: Turn, whole: Any, chunks: Any, *, stream: bool) -> None:
        if "refuse" in turn.user_text:
            message = {"message": "The model refuses", "code": 400, "status": "INVALID_ARGUMENT"}
            self._send(HTTPStatus.BAD_REQUEST, "application/json", json.dumps({"error": message}))
        elif stream:
            events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks(turn))
            done = "" if self.path.startswith("/gemini") else "data: [DONE]\n\n"
            self._send(HTTPStatus.OK, "text/event-stream", events + done)
        else:
            self._send(HTTPStatus.OK, "application/json", json.dumps(whole(turn)))

    def _refuse_outsider(self) -> None:
        self.server.outsiders.append(f"{self.command} {self.path}")
        self._send(HTTPStatus.FORBIDDEN, "text/plain", "nothing leaves this machine")

    def _send(self, status: HTTPStatus, content_type: str, text: str) -> None:
        encoded = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *_arguments: object) -> None:
        """Keep the output of the tests for the tests."""


class ModelServer(ThreadingHTTPServer):
    """The server, in a thread of its own for the length of a `with` block."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.outsiders: list[str] = []
        self.base_url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
