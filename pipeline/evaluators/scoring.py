"""Run the evaluators of a closed session, and shape what they say into events that are the same when said again."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import Unevaluable
from pipeline.evaluators.evaluator import Verdict
from pipeline.evaluators.rulebook import Appointed
from pipeline.evaluators.transcript import Transcript
from pipeline.events.scores import ScoreEvent

VALUE_MAX: Final = 999_999_999.0
NAME_CHARACTERS_MAX: Final = 150
REASON_CHARACTERS_MAX: Final = 4000
_NINE_PLACES: Final = Decimal("1e-9")
_LOG: Final = logger(__name__)


class Failure(NamedTuple):
    """An evaluator that could not judge a thread, and why."""

    author: str
    reason: str


class Judged(NamedTuple):
    """What became of all evaluators of one session."""

    scores: list[ScoreEvent]
    failures: list[Failure]


async def judge(
    transcript: Transcript, appointed: Sequence[Appointed], *, closed_seen_us: int, clock: Clock, seconds_max: float
) -> Judged:
    """Let every one of `appointed` judge a thread; those that ask outside do so at once, for at most `seconds_max`.

    `closed_seen_us` is when the close was published. It dates the scores, whose version is the end of the session: so a
    repeated score has the same content, and a later session's is newer.
    """
    outside = [one for one in appointed if one.evaluator.asks_outside]
    asked = [
        asyncio.ensure_future(_one(one, transcript, clock, None if one.evaluator.limits_itself else seconds_max))
        for one in outside
    ]
    try:
        results = [(one, await _one(one, transcript, clock, None)) for one in appointed if one not in outside]
        results += [(one, await answer) for one, answer in zip(outside, asked, strict=True)]
    finally:
        for answer in asked:
            answer.cancel()
    judged = Judged([], [])
    for one, result in results:
        if isinstance(result, Failure):
            judged.failures.append(result)
        else:
            judged.scores.extend(_score(transcript, one, verdict, closed_seen_us) for verdict in result)
    return judged


async def _one(
    appointed: Appointed, transcript: Transcript, clock: Clock, seconds_max: float | None
) -> Sequence[Verdict] | Failure:
    began = clock.monotonic()
    result: Sequence[Verdict] | Failure
    try:
        async with asyncio.timeout(seconds_max):
            result = checked(await appointed.evaluator.evaluate(transcript))
        outcome = "scored" if result else "nothing to judge"
    except Exception as error:  # noqa: BLE001 - code of others among it; the thread goes to the dead letters with it
        outcome = "timed out" if isinstance(error, TimeoutError) else "failed"
        result = Failure(
            appointed.author, str(error) or f"{type(error).__name__} after {clock.monotonic() - began:.1f} s"
        )
    metrics.EVALUATORS_EVALUATIONS.labels(appointed.kind, outcome).inc()
    metrics.EVALUATORS_EVALUATION_SECONDS.labels(appointed.kind).observe(clock.monotonic() - began)
    if isinstance(result, Failure):
        _LOG.warning("a thread could not be judged", evaluator=appointed.kind, reason=result.reason[:400])
    return result


def checked(verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
    """Return `verdicts`; raises Unevaluable where one is no score, or two have one name."""
    for verdict in verdicts:
        if not verdict.name.strip() or len(verdict.name) > NAME_CHARACTERS_MAX:
            raise Unevaluable(f"a score must have a name of 1 to {NAME_CHARACTERS_MAX} characters")
        if not abs(verdict.value) <= VALUE_MAX:  # so that it is false for a value that is no number
            raise Unevaluable(f"score {verdict.name}: the value must be a number within ±{VALUE_MAX:.0f}")
    if len({verdict.name for verdict in verdicts}) < len(verdicts):
        raise Unevaluable("two scores of one name")
    return verdicts


def _score(transcript: Transcript, appointed: Appointed, verdict: Verdict, closed_seen_us: int) -> ScoreEvent:
    return ScoreEvent(
        workspace=transcript.workspace,
        version_us=transcript.closed_at_us,
        received_at_us=closed_seen_us,
        entity_type="thread",
        entity_id=transcript.thread_model_id,
        event="set",
        name=verdict.name,
        author=appointed.author,
        value=Decimal(repr(float(verdict.value))).quantize(_NINE_PLACES) + 0,  # minus zero becomes zero
        source="online_scoring",
        reason=None if verdict.reason is None else verdict.reason[:REASON_CHARACTERS_MAX],
        source_queue_id=appointed.origin,
        project_id=transcript.project_id,
        thread_id=transcript.thread_id,
        session_id=transcript.session_id,
    )
