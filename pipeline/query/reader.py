"""How this stage asks ClickHouse: bounded in time, in memory and in how many ask at once."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry import logs
from pipeline.errors import Overloaded
from pipeline.query.statement import Statement
from pipeline.settings import QuerySettings

SLOW_SECONDS: Final = 2.0
"""Queries that take longer are logged, without their values."""
LOGGED_CHARACTERS_MAX: Final = 400
PARAMETER_BYTES_MAX: Final = 256 * 1024
"""Most bytes of ids in one query: they travel in the URL, of which ClickHouse takes 1 MiB."""

Item = TypeVar("Item")

_log = logs.logger(__name__)


def query_settings(settings: QuerySettings) -> dict[str, str | int]:
    """Return what the client must send with each query: it may only read, and only within bounds."""
    return {
        "readonly": 1,
        "max_execution_time": max(1, round(settings.seconds_max)),
        "timeout_before_checking_execution_speed": 0,
        "max_memory_usage": settings.memory_bytes_max,
        "do_not_merge_across_partitions_select_final": 1,  # a row's partition follows from its id and never changes
        "join_use_nulls": 0,
        "transform_null_in": 0,
        "aggregate_functions_null_for_empty": 0,
    }


class Reader:
    """Runs statements; who finds every place taken for too long is told to come back (Overloaded)."""

    def __init__(self, client: ClickHouse, settings: QuerySettings, clock: Clock) -> None:
        self._client: Final = client
        self._settings: Final = settings
        self._clock: Final = clock
        self._places: Final = asyncio.Semaphore(settings.concurrency_max)

    async def rows(self, statement: Statement, select: str, tail: str = "") -> list[dict[str, Any]]:
        """Return the rows of a statement."""
        sql = statement.text(select, tail)
        return await self.ask(sql, statement.parameters(sql))

    async def ask(self, sql: str, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
        """Return the rows of a query whose text is known."""
        async with self._place():
            began = self._clock.monotonic()
            found = await self._client.rows(sql, {name: _bindable(value) for name, value in parameters.items()})
        seconds = self._clock.monotonic() - began
        if seconds > SLOW_SECONDS:
            _log.warning("slow query", seconds=round(seconds, 3), rows=len(found), sql=sql[-LOGGED_CHARACTERS_MAX:])
        return found

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._settings.queue_seconds_max):
                await self._places.acquire()
        except TimeoutError as error:
            raise Overloaded(f"{self._settings.concurrency_max} queries are running already") from error
        try:
            yield
        finally:
            self._places.release()


def _bindable(value: object) -> object:
    """Return an array of whole numbers as its text: the client would look at each element by itself, and longer."""
    if isinstance(value, list) and value and all(type(item) is int for item in value):
        return f"[{','.join(map(str, value))}]"
    return value


def chunks(items: Sequence[Item], sizes: Sequence[int], *, bytes_max: int, items_max: int) -> list[Sequence[Item]]:
    """Return `items` in runs of at most `items_max`, and at most `bytes_max` by `sizes` unless one alone is larger."""
    runs: list[Sequence[Item]] = []
    begin = held = 0
    for position, size in enumerate(sizes):
        if position > begin and (held + size > bytes_max or position - begin >= items_max):
            runs.append(items[begin:position])
            begin, held = position, 0
        held += size
    if begin < len(items):
        runs.append(items[begin:])
    return runs
