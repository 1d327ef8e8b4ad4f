"""How this stage asks ClickHouse: bounded in time, in memory and in how many ask at once."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import msgspec

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.clock import Clock
from pipeline.adapters.telemetry import logs
from pipeline.errors import Overloaded, StorageUnavailable, ThreadlineError, TimedOut, TooLarge
from pipeline.query.statement import Statement
from pipeline.settings import ClickHouseSettings, QuerySettings

SLOW_SECONDS: Final = 2.0
"""Queries that take longer are logged, without their values."""
LOGGED_CHARACTERS_MAX: Final = 400
PARAMETER_BYTES_MAX: Final = 256 * 1024
"""Most bytes of ids in one query: they travel in the URL, of which ClickHouse takes 1 MiB."""

ONE_CORE: Final[Mapping[str, int]] = {"max_threads": 1}
"""For statements that run beside each other and look up ids: dividing one among cores costs more than it gains. CPU for
2,000 threads: tags 14 ms instead of 22, messages 16 instead of 22, and no more time."""

_TIMED_OUT: Final = frozenset({159, 160})  # TIMEOUT_EXCEEDED, TOO_SLOW
_TOO_LARGE: Final = frozenset({158, 307, 396})  # TOO_MANY_ROWS, TOO_MANY_BYTES, TOO_MANY_ROWS_OR_BYTES
_BUSY: Final = frozenset({202, 745})  # TOO_MANY_SIMULTANEOUS_QUERIES, SERVER_OVERLOADED
_MEMORY_LIMIT_EXCEEDED: Final = 241
_PLAIN: Final = re.compile(r"[^\\'`\x00-\x1f]*")

Item = TypeVar("Item")
Row = TypeVar("Row")

_log = logs.logger(__name__)


def query_settings(settings: QuerySettings) -> dict[str, str | int]:
    """Return what the client must send with each query: it may only read, and only within bounds."""
    return {
        "readonly": 1,
        "max_execution_time": max(1, round(settings.seconds_max)),
        "timeout_before_checking_execution_speed": 0,
        "max_memory_usage": settings.memory_bytes_max,
        "max_rows_to_read": settings.rows_read_max,
        "read_overflow_mode": "throw",
        "timeout_overflow_mode": "throw",
        "cancel_http_readonly_queries_on_client_close": 1,  # nobody waits for it any more
        "do_not_merge_across_partitions_select_final": 1,  # a row's partition follows from its id and never changes
        "join_use_nulls": 0,
        "transform_null_in": 0,
        "aggregate_functions_null_for_empty": 0,
    }


def reading_user(clickhouse: ClickHouseSettings, settings: QuerySettings) -> ClickHouseSettings:
    """Return how to reach ClickHouse as the user that reads, where there is one of its own."""
    if not settings.clickhouse_user:
        return clickhouse
    return clickhouse.model_copy(
        update={
            "user": settings.clickhouse_user,
            "password": settings.clickhouse_password,
            "password_file": settings.clickhouse_password_file,
        }
    )


class Reader:
    """Runs statements, within limits.

    What is over a limit of its own is refused (TimedOut, TooLarge): it would be so again. Who finds every place taken
    for too long, here or in ClickHouse, is told to come back (Overloaded).
    """

    def __init__(self, client: ClickHouse, settings: QuerySettings, clock: Clock) -> None:
        self._client: Final = client
        self._settings: Final = settings
        self._clock: Final = clock
        self._places: Final = asyncio.Semaphore(settings.concurrency_max)

    async def rows(self, statement: Statement, select: str, tail: str = "") -> list[dict[str, Any]]:
        """Return the rows of a statement."""
        sql = statement.text(select, tail)
        return await self.ask(sql, statement.parameters(sql))

    async def rows_as(
        self,
        decoder: msgspec.json.Decoder[Row],
        statement: Statement,
        select: str,
        tail: str = "",
        *,
        settings: Mapping[str, int] = {},
    ) -> list[Row]:
        """Return the rows of a statement, each as `decoder` makes it of its columns."""
        sql = statement.text(select, tail)
        return await self.ask_as(decoder, sql, statement.parameters(sql), settings=settings)

    async def ask(self, sql: str, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
        """Return the rows of a query whose text is known."""
        return await self.within_limits(sql, lambda: self._client.rows(sql, bindable(parameters)))

    async def ask_as(
        self,
        decoder: msgspec.json.Decoder[Row],
        sql: str,
        parameters: Mapping[str, object],
        *,
        settings: Mapping[str, int] = {},
    ) -> list[Row]:
        """Return the rows of a query whose text is known, each as `decoder` makes it of its columns."""
        bound = bindable(parameters)
        return await self.within_limits(sql, lambda: self._client.decoded(sql, decoder, bound, settings=settings))

    async def within_limits(self, sql: str, ask: Callable[[], Awaitable[list[Row]]]) -> list[Row]:
        """Return what `ask` returns of a query, whose text is `sql`; every query of a reader passes here."""
        async with self._place():
            began = self._clock.monotonic()
            try:
                found = await ask()
            except StorageUnavailable as error:
                raise self._over_limit(error) from error
        seconds = self._clock.monotonic() - began
        if seconds > SLOW_SECONDS:
            _log.warning("slow query", seconds=round(seconds, 3), rows=len(found), sql=sql[-LOGGED_CHARACTERS_MAX:])
        return found

    def _over_limit(self, error: StorageUnavailable) -> ThreadlineError:
        """Return what `error` means to who asked: it is at a limit of this query or of the server, or storage fails."""
        narrower = "ask for less: a shorter time, fewer rows or a narrower filter"
        if error.code in _TIMED_OUT:
            return TimedOut(f"the query took longer than {self._settings.seconds_max:g} s; {narrower}")
        if error.code in _TOO_LARGE:
            return TooLarge(f"the query reads more than {self._settings.rows_read_max:,} rows; {narrower}")
        if error.code == _MEMORY_LIMIT_EXCEEDED:
            # What ClickHouse says where another limit is hit, of all queries or of a user: waiting helps there.
            if "query memory limit" in str(error).lower():
                return TooLarge(f"the query needs more than {self._settings.memory_bytes_max:,} bytes; {narrower}")
            return Overloaded("the database has no memory left for this query")
        if error.code in _BUSY:
            return Overloaded("the database runs as many queries as it may")
        return error

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


class _Array:
    """The text of an array. The client binds the text of what it does not know as it is.

    Of a list it would look at each element by itself, and of a text at each character, which of 2000 ids takes longer
    than all else that we do with them.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text: Final = text

    def __str__(self) -> str:
        return self._text


def bindable(parameters: Mapping[str, object]) -> dict[str, object]:
    """Return `parameters` in the form in which the client binds them at once, where it has one."""
    return {name: _array(value) if isinstance(value, list) and value else value for name, value in parameters.items()}


def _array(values: list[Any]) -> object:
    """Return how `values` are bound: as a whole if they are whole numbers, or texts without a character to escape."""
    if all(type(value) is int for value in values):
        return _Array(f"[{','.join(map(str, values))}]")
    if all(type(value) is str for value in values) and _PLAIN.fullmatch("".join(values)):
        return _Array("['" + "','".join(values) + "']")
    return values


def listed(numbers: Sequence[int]) -> object:
    """Return whole numbers as one text for a parameter, of which ClickHouse makes an array by a CAST."""
    return _Array(f"[{','.join(map(str, numbers))}]")


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
