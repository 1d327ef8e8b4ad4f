"""A language model behind an OpenAI-compatible HTTP API (`POST {base}/chat/completions`), asked for JSON of one schema.

https://platform.openai.com/docs/api-reference/chat: what we send and read of it is spoken by vLLM, Ollama, LiteLLM and
most providers as well. The key is in the header only; what a server says back is freed of it before anybody sees it.
"""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import aiohttp
import msgspec
from pydantic import SecretStr

from pipeline.errors import ModelUnavailable, Unevaluable

ANSWER_BYTES_MAX: Final = 1024 * 1024
_SHOWN_CHARACTERS_MAX: Final = 300
_CHARACTERS_PER_TOKEN: Final = 4
_LATER: Final = frozenset({408, 409, 425, 429})
_SERVER_ERROR: Final = 500


class Message(NamedTuple):
    """What one side says: `system` or `user`."""

    role: str
    content: str


class Usage(NamedTuple):
    """Tokens of a question and of its answer."""

    input_tokens: int
    output_tokens: int


class Completion(NamedTuple):
    """An answer: its text, and what it took."""

    content: str
    usage: Usage


class _Said(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Said


class _Tokens(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: _Tokens | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


class ChatModel:
    """A client of one API; safe to call from many tasks of one event loop."""

    def __init__(self, base_url: str, api_key: SecretStr, *, timeout_seconds: float) -> None:
        self._url: Final = f"{base_url.rstrip('/')}/chat/completions"
        self._key: Final = api_key
        self._timeout: Final = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Return itself; it connects on first use."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def complete(
        self, model: str, messages: Sequence[Message], *, schema_name: str, schema: Mapping[str, Any], tokens_max: int
    ) -> Completion:
        """Return what `model` answers, asked for JSON of `schema`.

        Raises ModelUnavailable where another try may help, and Unevaluable where the server refuses the question.
        """
        body = {
            "model": model,
            "messages": [message._asdict() for message in messages],
            "temperature": 0,
            "max_tokens": tokens_max,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": schema_name, "strict": True, "schema": schema},
            },
        }
        try:
            async with self._connected().post(self._url, data=msgspec.json.encode(body)) as response:
                answer = await _bounded(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ModelUnavailable(f"no answer: {self._shown(str(error) or type(error).__name__)}") from error
        if response.status in _LATER or response.status >= _SERVER_ERROR:
            raise ModelUnavailable(
                f"answered {response.status}: {self._shown(answer)}",
                retry_after_seconds=_seconds(response.headers.get("Retry-After")),
            )
        if response.status != 200:  # noqa: PLR2004 - OK
            raise Unevaluable(f"the model's server refuses: {response.status} {self._shown(answer)}")
        return self._completion(answer, sum(len(message.content) for message in messages))

    def _completion(self, text: bytes, asked_characters: int) -> Completion:
        try:
            answer = _ANSWER.decode(text)
            said = answer.choices[0].message
        except (msgspec.DecodeError, IndexError, UnicodeDecodeError) as error:
            raise ModelUnavailable(f"an answer that is none: {self._shown(text)}") from error
        if said.refusal:
            raise Unevaluable(f"the model refuses: {self._shown(said.refusal)}")
        content = said.content or ""
        if answer.usage is None:  # not every server counts
            usage = Usage(asked_characters // _CHARACTERS_PER_TOKEN, len(content) // _CHARACTERS_PER_TOKEN)
        else:
            usage = Usage(max(0, answer.usage.prompt_tokens), max(0, answer.usage.completion_tokens))
        return Completion(content, usage)

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {"Content-Type": "application/json"}
            if key := self._key.get_secret_value():
                headers["Authorization"] = f"Bearer {key}"
            # The caller bounds how many questions are on their way.
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, headers=headers, timeout=self._timeout)
        return self._session

    def _shown(self, text: str | bytes) -> str:
        """Return the beginning of what a server said, without our key: some repeat it in their errors."""
        shown = text.decode(errors="replace") if isinstance(text, bytes) else text
        key = self._key.get_secret_value()
        return (shown.replace(key, "***") if key else shown)[:_SHOWN_CHARACTERS_MAX]


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """Return the body of an answer; raises ModelUnavailable where it is larger than any answer."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > ANSWER_BYTES_MAX:
            raise ModelUnavailable(f"an answer of more than {ANSWER_BYTES_MAX:,} bytes")
    return bytes(body)


def _seconds(header: str | None) -> float | None:
    """Return the seconds of Retry-After; its other form, a date, is for caches and passed over."""
    return float(header) if header is not None and header.strip().isdecimal() else None
