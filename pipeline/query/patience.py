"""A reader for long work that nobody sends again: what storage fails to answer now, it asks for later.

Long reads are made of many queries, each of which says where it begins (a key, not a number of rows), so that asking
one of them again is going on where storage was lost.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.adapters.retry import Backoff
from pipeline.errors import StorageUnavailable, TransientError
from pipeline.query.reader import Reader, Row
from pipeline.settings import QuerySettings

PAUSE_SECONDS_MAX: Final = 5.0


class PatientReader(Reader):
    """Asks each query again until it is answered, or storage has not answered for `seconds_max`.

    What is refused is refused at once. `on_failure` is told of each failure, once in a row.
    """

    def __init__(
        self, client: ClickHouse, settings: QuerySettings, clock: Clock, *, seconds_max: float,
        on_failure: Callable[[TransientError], None],
    ) -> None:  # fmt: skip
        super().__init__(client, settings, clock)
        self._seconds_max: Final = seconds_max
        self._on_failure: Final = on_failure

    async def within_limits(self, sql: str, ask: Callable[[], Awaitable[list[Row]]]) -> list[Row]:
        """Return the rows of a query; raises StorageUnavailable where none came in time, and what else Reader does."""
        backoff = Backoff(seconds_max=PAUSE_SECONDS_MAX)
        failed_at: float | None = None
        while True:
            try:
                return await super().within_limits(sql, ask)
            except TransientError as error:
                now = self._clock.monotonic()
                if failed_at is None:
                    failed_at = now
                    self._on_failure(error)
                if now - failed_at >= self._seconds_max:
                    raise StorageUnavailable(
                        f"storage has not answered for {self._seconds_max:g} s, so this was given up: {error}"
                    ) from error
            await asyncio.sleep(backoff.pause())
