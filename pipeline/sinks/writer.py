"""Write a batch: insert, isolate what is poison, set that aside; then fold its rows.

Its offsets may be committed when its threads are folded, too (`thread_pass`).
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final
from uuid import UUID

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import StorageUnavailable, Unstorable
from pipeline.settings import SinksSettings
from pipeline.sinks.attempts import until_done
from pipeline.sinks.batch import Batch, Lines, Poison, Row, joined
from pipeline.sinks.dead_letters import DeadLetterLimit, letters_of
from pipeline.sinks.fold import FOLDS, fold_rows
from pipeline.sinks.insert import insert_rows, insert_scattered, insert_skips
from pipeline.sinks.isolate import pieces_of
from pipeline.sinks.ranges import Covered, covering, together
from pipeline.sinks.replays import markers_of, shares_of
from pipeline.sinks.routes import CONTROLS, Router, Table
from pipeline.sinks.splice import value_of
from pipeline.topics import DEAD_LETTERS

_LOG: Final = logger(__name__)


class Writer:
    """Writes the batches of one table, one after another. It tries for ever while storage or broker are away.

    `run` tells a replay from what stored the same records before: they are inserted once more.
    """

    def __init__(
        self,
        table: Table,
        client: ClickHouse,
        producer: EventProducer,
        clock: Clock,
        settings: SinksSettings,
        *,
        run: str = "",
    ) -> None:
        self.table: Final = table
        self._run: Final = run
        self._client: Final = client
        self._producer: Final = producer
        self._clock: Final = clock
        self._settings: Final = settings
        self._limit: Final = DeadLetterLimit(
            share_max=settings.dead_letter_share_max, rows_min=settings.dead_letter_rows_min
        )
        self._store_seconds = 0.0
        self._fold_seconds = 0.0

    @property
    def write_seconds(self) -> float:
        """How long it took last to store a batch, and to fold."""
        return self._store_seconds + self._fold_seconds

    async def store(self, batch: Batch) -> None:
        """Return when every record of `batch` is stored or set aside; `fold` comes next.

        Raises FatalError where too many would have to be set aside, and where only an operator can help.
        """
        began_at = self._clock.monotonic()
        poison = list(batch.poison)
        if batch.runs:
            batch.own = batch.covered()
            poison += await self._store_own(batch, batch.own)
        if batch.replays:
            poison += await self._store_replays(batch)
        if poison:
            self._limit.check(batch.records, len(poison), poison[-1].reason)
            await self._set_aside(batch, poison)
        self._limit.count(batch.records, len(poison))
        if batch.replays or batch.skips:
            await self._until_done(lambda: self._note(batch))
        self._store_seconds = self._clock.monotonic() - began_at

    async def fold(self, batches: Sequence[Batch]) -> None:
        """Fold what was stored of `batches`, together; their threads come next."""
        began_at = self._clock.monotonic()
        own = [batch.own for batch in batches if batch.own is not None]
        replayed = [covered for batch in batches for covered in batch.replayed]
        if self.table.name in FOLDS:
            for covered in [together(own), *replayed] if own else replayed:
                started = self._clock.monotonic()
                await self._until_done(lambda covered=covered: self._fold_once(covered))  # type: ignore[misc]
                metrics.SINKS_FOLD_SECONDS.labels(self.table.name).observe(self._clock.monotonic() - started)
        self._fold_seconds = self._clock.monotonic() - began_at
        for covered in own:
            self._observe_latency(covered)

    async def _store_own(self, batch: Batch, covered: Covered) -> list[Poison]:
        """Insert what `covered` says; return what ClickHouse refuses even alone."""
        try:
            await self._until_done(lambda: self._insert(covered, Lines(batch)))
        except Unstorable as refusal:
            self._count_isolation(refusal)
            rows = batch.rows()
            if len(rows) == 1:
                return [_poison_of(rows[0], refusal)]
            pieces = pieces_of(rows, str(refusal))
        else:
            return []

        async def insert(piece: Sequence[Row]) -> None:
            await self._insert(covering(batch.log_id, batch.topic, piece), [joined(piece)])

        return [_poison_of(row, refusal) for row, refusal in await self._isolated(pieces, insert)]

    async def _isolated(
        self, pieces: Sequence[Sequence[Row]], insert: Callable[[Sequence[Row]], Awaitable[None]]
    ) -> list[tuple[Row, Unstorable]]:
        """Insert the rows; return those that ClickHouse refuses even alone."""
        refused: list[tuple[Row, Unstorable]] = []
        rows = sum(len(piece) for piece in pieces)
        waiting = list(reversed(pieces))
        while waiting:
            piece = waiting.pop()
            try:
                await self._until_done(lambda piece=piece: insert(piece))  # type: ignore[misc]
            except Unstorable as refusal:
                self._count_isolation(refusal)
                if len(piece) > 1:
                    waiting.extend(reversed(pieces_of(piece, str(refusal))))
                    continue
                refused.append((piece[0], refusal))
                self._limit.check(rows, len(refused), str(refusal))
        return refused

    async def _insert(self, covered: Covered, lines: Iterable[bytes]) -> None:
        table = self.table.name
        started = self._clock.monotonic()
        await insert_rows(self._client, self.table, covered, lines, run=self._run)
        metrics.SINKS_BATCH_ROWS.labels(table).observe(covered.rows)
        metrics.SINKS_FLUSH_SECONDS.labels(table).observe(self._clock.monotonic() - started)
        metrics.SINKS_FLUSHES.labels(table, "stored").inc()
        metrics.SINKS_ROWS_WRITTEN.labels(table).inc(covered.rows)

    def _count_isolation(self, refusal: Unstorable) -> None:
        metrics.SINKS_STORAGE_ERRORS.labels(str(refusal.code), "isolate").inc()

    async def _store_replays(self, batch: Batch) -> list[Poison]:
        """Store dead letters that were published again where they stood first; return those that are poison still."""
        shares, poison = shares_of(Router(batch.topic), batch.topic, batch.replays)
        replays = {replay.origin: replay for replay in batch.replays}
        origin_of = {(at.log_id, at.partition, at.offset): at for at in replays}
        for table, log_id, rows in shares:

            async def insert(piece: Sequence[Row], table: Table = table, log_id: UUID = log_id) -> None:
                await insert_scattered(self._client, table, covering(log_id, batch.topic, piece), piece)

            for row, refusal in await self._isolated([rows], insert):
                origin = origin_of[log_id, row.partition, row.offset]
                poison.append(_poison_of(row, refusal)._replace(value=replays[origin].value, origin=origin))
            if table is self.table:
                batch.replayed.append(covering(log_id, batch.topic, rows))
        metrics.SINKS_REPLAYS.labels(batch.topic).inc(len(batch.replays))
        return poison

    async def _note(self, batch: Batch) -> None:
        """Keep what is known of offsets that have no row of their own."""
        if batch.replays:
            markers = markers_of(batch.topic, batch.log_id, batch.replays)
            covered = covering(batch.log_id, batch.topic, markers)
            await insert_rows(self._client, CONTROLS, covered, [joined(markers)], run=self._run)
        if batch.skips:
            await insert_skips(self._client, batch.topic, batch.log_id, batch.skips)

    async def _fold_once(self, covered: Covered) -> None:
        try:
            await fold_rows(self._client, self.table.name, covered)
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
        await until_done(attempt, self.table.name, pause_seconds_max=self._settings.retry_seconds_max)

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
