"""Write one batch: insert, isolate what is poison, set that aside, fold. Only then may its offsets be committed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.retry import Backoff
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import BrokerUnavailable, StorageUnavailable, Unstorable
from pipeline.settings import SinksSettings
from pipeline.sinks.batch import Batch, Poison, Row
from pipeline.sinks.dead_letters import DeadLetterLimit, letters_of
from pipeline.sinks.fold import FOLDS, fold
from pipeline.sinks.insert import insert_rows
from pipeline.sinks.isolate import pieces_of
from pipeline.sinks.ranges import Covered, covering
from pipeline.sinks.routes import Table
from pipeline.sinks.splice import value_of
from pipeline.topics import DEAD_LETTERS

_LOG: Final = logger(__name__)


class Writer:
    """Writes the batches of one table, one after another. It tries for ever while storage or broker are away."""

    def __init__(
        self, table: Table, client: ClickHouse, producer: EventProducer, clock: Clock, settings: SinksSettings
    ) -> None:
        self.table: Final = table
        self._client: Final = client
        self._producer: Final = producer
        self._clock: Final = clock
        self._settings: Final = settings
        self._limit: Final = DeadLetterLimit(
            share_max=settings.dead_letter_share_max, rows_min=settings.dead_letter_rows_min
        )

    async def write(self, batch: Batch) -> None:
        """Return when every record of `batch` is stored and folded, or set aside.

        Raises FatalError where too many would have to be set aside, and where only an operator can help.
        """
        poison = list(batch.poison)
        covered = covering(batch.log_id, batch.topic, batch.rows) if batch.rows else None
        if covered is not None:
            poison += await self._store(batch, covered)
        if poison:
            self._limit.check(batch.records, len(poison), poison[-1].reason)
            await self._set_aside(batch, poison)
        self._limit.count(batch.records, len(poison))
        if covered is not None:
            await self._fold(covered)
            self._observe_latency(covered)

    async def _store(self, batch: Batch, covered: Covered) -> list[Poison]:
        """Insert the rows; return those that ClickHouse refuses even alone."""
        poison: list[Poison] = []
        waiting: list[Sequence[Row]] = [batch.rows]
        while waiting:
            rows = waiting.pop()
            try:
                is_whole = rows is batch.rows
                await self._insert(covered if is_whole else covering(batch.log_id, batch.topic, rows), rows)
            except Unstorable as refusal:
                metrics.SINKS_STORAGE_ERRORS.labels(str(refusal.code), "isolate").inc()
                if len(rows) > 1:
                    waiting.extend(reversed(pieces_of(rows, str(refusal))))
                    continue
                poison.append(_poison_of(rows[0], refusal))
                self._limit.check(batch.records, len(poison), str(refusal))
        return poison

    async def _insert(self, covered: Covered, rows: Sequence[Row]) -> None:
        table = self.table.name
        metrics.SINKS_BATCH_ROWS.labels(table).observe(len(rows))
        started = self._clock.monotonic()
        await self._until_done(lambda: insert_rows(self._client, self.table, covered, rows))
        metrics.SINKS_FLUSH_SECONDS.labels(table).observe(self._clock.monotonic() - started)
        metrics.SINKS_FLUSHES.labels(table, "stored").inc()
        metrics.SINKS_ROWS_WRITTEN.labels(table).inc(len(rows))

    async def _fold(self, covered: Covered) -> None:
        if self.table.name not in FOLDS:
            return
        started = self._clock.monotonic()
        await self._until_done(lambda: self._fold_once(covered))
        metrics.SINKS_FOLD_SECONDS.labels(self.table.name).observe(self._clock.monotonic() - started)

    async def _fold_once(self, covered: Covered) -> None:
        try:
            await fold(self._client, self.table.name, covered)
        except Unstorable as refusal:
            # The rows are stored, so none of them is poison: the tables, or we, are wrong and must be put right.
            raise StorageUnavailable(f"folding {self.table.name}: {refusal}", code=refusal.code) from refusal

    async def _set_aside(self, batch: Batch, poison: Sequence[Poison]) -> None:
        letters = letters_of(batch.topic, batch.log_id, poison)
        await self._until_done(lambda: self._producer.publish(DEAD_LETTERS, letters))
        for record in poison:
            metrics.SINKS_DEAD_LETTERS.labels(str(record.code) if record.code else "undecodable").inc()
            _LOG.warning(
                "record set aside", topic=batch.topic, partition=record.partition, offset=record.offset,
                code=record.code, reason=record.reason,
            )  # fmt: skip

    async def _until_done(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """Try until it neither fails for storage nor for the broker; other errors come out."""
        backoff = Backoff(seconds_max=self._settings.retry_seconds_max)
        while True:
            try:
                return await attempt()
            except (StorageUnavailable, BrokerUnavailable) as error:
                code = error.code if isinstance(error, StorageUnavailable) else "broker"
                metrics.SINKS_STORAGE_ERRORS.labels(str(code), "retry").inc()
                metrics.SINKS_FLUSHES.labels(self.table.name, "retried").inc()
                pause_seconds = backoff.pause()
                _LOG.warning("waiting", table=self.table.name, reason=str(error), pause_seconds=round(pause_seconds, 2))
            await asyncio.sleep(pause_seconds)

    def _observe_latency(self, covered: Covered) -> None:
        seconds = self._clock.now_us() / 1e6 - covered.appended_from_ms / 1e3
        metrics.SINKS_LATENCY_SECONDS.labels(covered.topic).observe(max(0.0, seconds))


def _poison_of(row: Row, refusal: Unstorable) -> Poison:
    return Poison(
        partition=row.partition,
        offset=row.offset,
        appended_at_ms=row.appended_at_ms,
        key=row.key,
        value=value_of(row.line),
        headers=row.headers,
        code=refusal.code,
        reason=str(refusal),
    )
