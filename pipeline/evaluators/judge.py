"""A language model as judge: how it is asked, again where it fails, and never more than it may be."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import Meta

from pipeline.adapters.chat import Completion, Message, Usage
from pipeline.adapters.clock import Clock
from pipeline.adapters.retry import Backoff
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import ModelUnavailable, Unevaluable
from pipeline.evaluators.budget import Breaker, Budget
from pipeline.settings import EvaluateSettings

_LOG: Final = logger(__name__)
_BYTES_PER_TOKEN_MIN: Final = 2
"""A token of any usual model is rarely shorter: what is reserved for a question is rather too much."""


class Opinion(msgspec.Struct, frozen=True):
    """What a judge answers. The reason comes first, so that the model thinks before it decides."""

    reason: str
    score: Annotated[float, Meta(ge=0, le=1)]


SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "score": {"type": "number", "minimum": 0, "maximum": 1}},
    "required": ["reason", "score"],
    "additionalProperties": False,
}
_OPINION: Final = msgspec.json.Decoder(Opinion)


class Model(Protocol):
    """What is asked: `adapters.chat.ChatModel`."""

    async def complete(
        self, model: str, messages: Sequence[Message], *, schema_name: str, schema: dict[str, Any], tokens_max: int
    ) -> Completion:
        """Return an answer; raises ModelUnavailable and Unevaluable."""


class Judge:
    """Asks one model's server for opinions; all evaluators of a process share it, its budget and its bounds."""

    def __init__(self, model: Model, settings: EvaluateSettings, clock: Clock) -> None:
        self._model: Final = model
        self._settings: Final = settings
        self._clock: Final = clock
        self._places: Final = asyncio.Semaphore(settings.judge_concurrency_max)
        self._budget: Final = Budget(settings, clock)
        self._breaker: Final = Breaker(
            failures_max=settings.judge_failures_max, rest_seconds=settings.judge_rest_seconds, clock=clock
        )

    @property
    def characters_max(self) -> int:
        """How much of a conversation may be shown."""
        return self._settings.judge_transcript_characters_max

    @property
    def default_model(self) -> str:
        """The model that is asked where a rule names none; '' where the settings name none either."""
        return self._settings.judge_model

    async def ask(self, model: str, messages: Sequence[Message]) -> Opinion:
        """Return the opinion of `model`, asked up to `settings.judge_attempts_max` times.

        Raises Unevaluable where it refuses, or gives no opinion in all that time, or may not be asked now.
        """
        backoff = Backoff(seconds_max=self._settings.judge_retry_seconds_max, first_seconds=0.5)
        for attempt in range(1, self._settings.judge_attempts_max + 1):
            try:
                async with self._places:
                    return await self._ask_once(model, messages)
            except ModelUnavailable as error:
                _LOG.info("the model gave no opinion", attempt=attempt, reason=str(error))
                last = str(error)
                asked_for = min(error.retry_after_seconds or 0.0, self._settings.judge_retry_seconds_max)
                pause_seconds = max(backoff.pause(), asked_for)
            if attempt < self._settings.judge_attempts_max:
                await asyncio.sleep(pause_seconds)
        raise Unevaluable(f"no opinion in {self._settings.judge_attempts_max} attempts; the last: {last}")

    async def _ask_once(self, model: str, messages: Sequence[Message]) -> Opinion:
        self._breaker.check()
        tokens_max = self._settings.judge_answer_tokens_max
        octets = sum(len(message.content.encode()) for message in messages)
        most = Usage(octets // _BYTES_PER_TOKEN_MIN, tokens_max)
        reserved = self._budget.reserve(most)
        used, outcome = Usage(0, 0), "failed"
        began = self._clock.monotonic()
        try:
            completion = await self._model.complete(
                model, messages, schema_name="opinion", schema=SCHEMA, tokens_max=tokens_max
            )
            used = completion.usage
            opinion = _opinion_of(completion.content)
            outcome = "answered"
            self._breaker.succeeded()
        except ModelUnavailable:
            self._breaker.failed()
            raise
        except Unevaluable:
            outcome = "refused"
            self._breaker.succeeded()  # it is there, and has read the question
            raise
        finally:
            self._budget.settle(reserved, used)
            metrics.EVALUATORS_JUDGE_CALLS.labels(outcome).inc()
            metrics.EVALUATORS_JUDGE_SECONDS.observe(self._clock.monotonic() - began)
        return opinion


def _opinion_of(content: str) -> Opinion:
    try:
        return _OPINION.decode(content)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise ModelUnavailable(f"not an opinion ({error}): {content[:200]}") from error
