"""Hands out transcripts: gathers what is wanted at a time and reads it together, for as long as storage is away."""

import asyncio
from collections import deque
from typing import Final, NamedTuple
from uuid import UUID

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.adapters.retry import Backoff
from pipeline.adapters.telemetry import metrics
from pipeline.adapters.telemetry.logs import logger
from pipeline.errors import StorageUnavailable, Unevaluable, Unstorable
from pipeline.evaluators.reading import Outcome, read_transcripts
from pipeline.evaluators.transcript import Transcript
from pipeline.events.threads import ThreadEvent
from pipeline.settings import EvaluateSettings

_LOG: Final = logger(__name__)


TOO_MUCH_CODES: Final = frozenset({158, 159, 160, 241, 307, 396})
"""ClickHouse's codes for a query that took too many rows, bytes, time or memory: here it may be the thread's fault."""
ATTEMPTS_MAX: Final = 5
"""How often such a thread is read alone before it is given up."""


class _Kind(NamedTuple):
    """What one query can read together."""

    workspace: str
    project_id: UUID
    with_spans: bool


class _Wanted(NamedTuple):
    """A session that somebody wants to read."""

    session: ThreadEvent
    transcript: asyncio.Future[Transcript]


class TranscriptReader:
    """Reads on demand; each of `settings.reads_concurrency_max` tasks must run `run`."""

    def __init__(self, client: ClickHouse, settings: EvaluateSettings, clock: Clock) -> None:
        self._client: Final = client
        self._settings: Final = settings
        self._clock: Final = clock
        self._wanted: Final[dict[_Kind, deque[_Wanted]]] = {}
        self._arrived: Final = asyncio.Condition()

    async def read(self, session: ThreadEvent, *, with_spans: bool) -> Transcript:
        """Return the transcript of a closed session, however long storage is away.

        Raises Unevaluable where the thread is too large, or ClickHouse refuses to read it.
        """
        wanted = _Wanted(session, asyncio.get_running_loop().create_future())
        kind = _Kind(session.workspace, session.project_id, with_spans)
        async with self._arrived:
            self._wanted.setdefault(kind, deque()).append(wanted)
            self._arrived.notify()
        return await wanted.transcript

    async def run(self) -> None:
        """Read for ever what is wanted."""
        while True:
            async with self._arrived:
                await self._arrived.wait_for(lambda: self._wanted)
                kind, batch = self._next_batch()
            await self._read(kind, batch)

    def _next_batch(self) -> tuple[_Kind, list[_Wanted]]:
        """Take what came first, with others of its kind; of one thread only one session, since their ends differ."""
        kind = next(iter(self._wanted))
        waiting = self._wanted.pop(kind)
        batch: dict[str, _Wanted] = {}
        later: deque[_Wanted] = deque()
        while waiting and len(batch) < self._settings.transcripts_at_once_max:
            wanted = waiting.popleft()
            if wanted.transcript.done():
                continue  # nobody waits any more: its partition has gone to someone else
            if wanted.session.thread_id in batch:
                later.append(wanted)
            else:
                batch[wanted.session.thread_id] = wanted
        later.extend(waiting)
        if later:
            self._wanted[kind] = later
        return kind, list(batch.values())

    async def _read(self, kind: _Kind, batch: list[_Wanted]) -> None:
        """Read a batch, however long storage is away.

        What ClickHouse refuses is read one by one, so that a bad thread costs no other.
        """
        backoff = Backoff(seconds_max=self._settings.retry_seconds_max)
        refusals = 0
        while batch := [wanted for wanted in batch if not wanted.transcript.done()]:
            try:
                await self._read_once(kind, batch)
            except (StorageUnavailable, Unstorable) as error:
                if isinstance(error, Unstorable) or error.code in TOO_MUCH_CODES:
                    if len(batch) > 1:
                        for wanted in batch:
                            await self._read(kind, [wanted])
                        return
                    refusals += 1
                    if isinstance(error, Unstorable) or refusals == ATTEMPTS_MAX:
                        _settle(batch[0], Unevaluable(f"ClickHouse refuses to read it: {error}"))
                        return
                metrics.EVALUATORS_RETRIES.labels("storage").inc()
                pause_seconds = backoff.pause()
                _LOG.warning("waiting for storage", reason=str(error), pause_seconds=round(pause_seconds, 2))
                await asyncio.sleep(pause_seconds)

    async def _read_once(self, kind: _Kind, batch: list[_Wanted]) -> None:
        began = self._clock.monotonic()
        outcomes = await read_transcripts(
            self._client,
            [wanted.session for wanted in batch],
            with_spans=kind.with_spans,
            bytes_max=self._settings.transcript_bytes_max,
        )
        metrics.EVALUATORS_READ_SECONDS.observe(self._clock.monotonic() - began)
        for wanted, outcome in zip(batch, outcomes, strict=True):
            _settle(wanted, outcome)


def _settle(wanted: _Wanted, outcome: Outcome) -> None:
    if wanted.transcript.done():
        return
    if isinstance(outcome, Unevaluable):
        wanted.transcript.set_exception(outcome)
    else:
        wanted.transcript.set_result(outcome)
