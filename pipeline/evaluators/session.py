"""The way of one closed session: wait for storage, read, judge, publish. Only then is its record finished."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.consumer import LogPartition, LogRecord
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.retry import Backoff
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import BrokerUnavailable, Unevaluable
from pipeline.evaluators.coverage import Coverage
from pipeline.evaluators.dead_letters import letter_of, reason_of
from pipeline.evaluators.reader import TranscriptReader
from pipeline.evaluators.rulebook import Plan
from pipeline.evaluators.scoring import judge
from pipeline.events.envelope import Record
from pipeline.events.threads import ThreadEvent
from pipeline.settings import EvaluateSettings
from pipeline.topics import DEAD_LETTERS, SCORES, Topic

_LOG: Final = logger(__name__)


class Evaluation:
    """Evaluates sessions; safe to call from many tasks of one event loop."""

    def __init__(
        self,
        coverage: Coverage,
        reader: TranscriptReader,
        producer: EventProducer,
        clock: Clock,
        settings: EvaluateSettings,
        log_id: Callable[[str], UUID],
    ) -> None:
        self._coverage: Final = coverage
        self._reader: Final = reader
        self._producer: Final = producer
        self._clock: Final = clock
        self._settings: Final = settings
        self._log_id: Final = log_id

    async def evaluate(
        self, place: LogPartition, record: LogRecord, session: ThreadEvent, plans: Sequence[Plan]
    ) -> None:
        """Return when every score of the session, or a dead letter that says why there is none, is in the log."""
        await self._coverage.covered()
        with_spans = any(one.evaluator.reads_spans for plan in plans for one in plan.appointed)
        try:
            transcript = await self._reader.read(session, with_spans=with_spans)
        except Unevaluable as error:
            await self.set_aside(place, record, str(error), "unreadable")
            return
        if not transcript.turns:
            metrics.EVALUATORS_SESSIONS.labels("empty").inc()
            return
        appointed = [one for plan in plans if plan.condition(transcript) for one in plan.appointed]
        if not appointed:
            metrics.EVALUATORS_SESSIONS.labels("filtered").inc()
            return
        judged = await judge(
            transcript, appointed, closed_seen_us=record.timestamp * 1000, clock=self._clock,
            seconds_max=self._settings.evaluator_seconds_max,
        )  # fmt: skip
        if judged.scores:
            await self._publish(SCORES, [score.record() for score in judged.scores])
            metrics.EVALUATORS_SCORES.inc(len(judged.scores))
        if judged.failures:
            await self.set_aside(place, record, reason_of(judged.failures), "failed")
        else:
            metrics.EVALUATORS_SESSIONS.labels("scored").inc()
        metrics.EVALUATORS_DELAY_SECONDS.observe(max(0.0, self._clock.now_us() / 1e6 - record.timestamp / 1e3))

    async def set_aside(self, place: LogPartition, record: LogRecord, reason: str, kind: str) -> None:
        """Publish a dead letter; `kind` is the sort of reason, for counting."""
        await self._publish(DEAD_LETTERS, [letter_of(place, self._log_id(place.topic), record, reason)])
        metrics.EVALUATORS_SESSIONS.labels("set aside").inc()
        metrics.EVALUATORS_DEAD_LETTERS.labels(kind).inc()
        _LOG.warning(
            "session set aside", partition=place.partition, offset=record.offset, kind=kind, reason=reason[:400]
        )

    async def _publish(self, topic: Topic, records: Sequence[Record]) -> None:
        backoff = Backoff(seconds_max=self._settings.retry_seconds_max)
        while True:
            try:
                return await self._producer.publish(topic, records)
            except BrokerUnavailable as error:
                metrics.EVALUATORS_RETRIES.labels("kafka").inc()
                pause_seconds = backoff.pause()
                _LOG.warning("waiting for Kafka", reason=str(error), pause_seconds=round(pause_seconds, 2))
            await asyncio.sleep(pause_seconds)
