"""Insert and query, with the errors of `failures` and every setting we rely on said explicitly.

ClickHouse's defaults change between versions (`async_insert` is on since 26.x), so nothing is left to them. The
library's own retries are off where they could repeat an insert: whoever writes retries with the same token.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from uuid import uuid4

import aiohttp
import clickhouse_connect
import msgspec
from clickhouse_connect.driver.exceptions import Error as DriverError

from pipeline.adapters.clickhouse import cluster
from pipeline.adapters.clickhouse.failures import failure_of
from pipeline.errors import InvalidSettings, StorageUnavailable
from pipeline.settings import ClickHouseSettings

PARTITIONS_PER_INSERT_MAX: Final = 1000
"""More than the tables can have (the months of 30 years and one for all else), so that no mix of ids is refused."""

_INSERT_SETTINGS: Final[dict[str, str | int]] = {
    "async_insert": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "input_format_allow_errors_num": 0,
    "input_format_allow_errors_ratio": 0,
    "input_format_defaults_for_omitted_fields": 1,
    "input_format_json_ignore_unnecessary_fields": 0,  # a repeated or unknown field must be refused, not dropped
    # A value of another type than the schema says is refused, not converted.
    "input_format_json_read_arrays_as_strings": 0,
    "input_format_json_read_bools_as_numbers": 0,
    "input_format_json_read_bools_as_strings": 0,
    "input_format_json_read_numbers_as_strings": 0,
    "input_format_json_read_objects_as_strings": 0,
    "input_format_null_as_default": 1,  # null says nothing: the same as an absent field
    "input_format_parallel_parsing": 1,
    "input_format_skip_unknown_fields": 0,
    "insert_deduplicate": 1,
    "max_partitions_per_insert_block": PARTITIONS_PER_INSERT_MAX,
    "optimize_on_insert": 1,
    "send_progress_in_http_headers": 0,
    "throw_on_max_partitions_per_insert_block": 1,
    "wait_end_of_query": 1,  # the summary, and an error, come before the status line
}
_JSON_SETTINGS: Final[dict[str, str | int]] = {
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_decimals": 0,
    "wait_end_of_query": 1,  # an error comes before the status line, not among the rows
}
_TRANSPORT_FAILURES: Final = (aiohttp.ClientError, OSError, asyncio.TimeoutError)

Row = TypeVar("Row")


class ClickHouse:
    """A client of one ClickHouse over HTTP; safe to call from many tasks of one event loop.

    It connects on first use, and again after a failure, so that a process may start before its database. Every method
    raises StorageUnavailable, Unstorable or FatalError as `failures` sorts them. SQL takes values only as server-side
    parameters, `{name:Type}`. `query_settings` go with every `rows` and `stream`.
    """

    def __init__(self, settings: ClickHouseSettings, *, query_settings: Mapping[str, str | int] = {}) -> None:
        self.settings: Final = settings
        self._always: Final = dict(cluster.SETTINGS) if settings.cluster else {}
        self._query_settings: Final = {**self._always, **query_settings}
        self._connecting: Final = asyncio.Lock()
        self._client: Any = None

    async def start(self) -> None:
        """Connect."""
        with _sorted_failures():
            await self._connected()

    async def close(self) -> None:
        """Disconnect, once the requests in flight are answered."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def __aenter__(self) -> Self:
        """Return itself, not yet connected."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    async def insert_lines(self, table: str, lines: Sequence[bytes], *, token: str | None) -> int:
        """Insert `lines`, each a JSON object that is a row of `table`; otherwise as `insert_pieces`."""
        return await self.insert_pieces(table, [b"\n".join(lines)], token=token)

    async def insert_pieces(self, table: str, pieces: Iterable[bytes], *, token: str | None) -> int:
        """Insert rows of `table`, in pieces of whole lines of JSON; return how many ClickHouse says it wrote.

        With a `token` that the table remembers nothing is stored again; without one the rows are stored in any case.
        The number includes the rows that materialized views wrote, and those of a token that was known.
        """
        token = new_token() if token is None else token
        settings = self._always | _INSERT_SETTINGS | {"insert_deduplication_token": token}
        with _sorted_failures():
            client = await self._connected()
            # As it comes, not as bytes: the library neither copies it nor sends it a second time by itself.
            summary = await client.raw_insert(table, insert_block=_sent(pieces), settings=settings, fmt="JSONEachRow")
        if "written_rows" not in summary.summary:
            raise StorageUnavailable("the answer to an insert does not say how many rows were written")
        return int(summary.written_rows)

    async def insert_columns(self, table: str, names: Sequence[str], columns: Sequence[Sequence[object]]) -> None:
        """Insert columns of Python values in the native format, in any case; the sinks' way is `insert_lines`."""
        settings = self._always | {"insert_deduplication_token": new_token(), "async_insert": 0}
        with _sorted_failures():
            client = await self._connected()
            await client.insert(table, columns, column_names=names, column_oriented=True, settings=settings)

    async def rows(self, sql: str, parameters: Mapping[str, object] = {}) -> list[dict[str, Any]]:
        """Return the rows of a query, each as a dict by column name."""
        _check_bound(sql, parameters)
        with _sorted_failures():
            client = await self._connected()
            result = await client.query(sql, parameters=dict(parameters), settings=dict(self._query_settings))
        return list(result.named_results())

    async def decoded(
        self,
        sql: str,
        decoder: msgspec.json.Decoder[Row],
        parameters: Mapping[str, object] = {},
        *,
        settings: Mapping[str, str | int] = {},
    ) -> list[Row]:
        """Return the rows of a query, each as `decoder` makes it of a JSON array of its columns.

        For thousands of rows: 2,000 rows of 21 columns take 6 ms of Python so, and 20 as dicts. What is no UTF-8 in
        them comes with replacement characters.
        """
        _check_bound(sql, parameters)
        settings = {**self._query_settings, **_JSON_SETTINGS, **settings}
        with _sorted_failures():
            client = await self._connected()
            content: bytes = await client.raw_query(
                sql, parameters=dict(parameters), settings=settings, fmt="JSONCompactEachRow"
            )
        try:
            return decoder.decode_lines(content)
        except UnicodeDecodeError:
            return decoder.decode_lines(content.decode(errors="replace"))

    async def stream(self, sql: str, parameters: Mapping[str, object] = {}) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the rows of a query block by block, in memory for a few blocks whatever the size of the result."""
        _check_bound(sql, parameters)
        with _sorted_failures():
            client = await self._connected()
            blocks = await client.query_row_block_stream(
                sql, parameters=dict(parameters), settings=dict(self._query_settings)
            )
            async with blocks:
                names = blocks.source.column_names
                async for block in blocks:
                    yield [dict(zip(names, row, strict=True)) for row in block]

    async def command(
        self, sql: str, parameters: Mapping[str, object] = {}, *, settings: Mapping[str, str | int] = {}
    ) -> None:
        """Run a statement that returns no rows, and wait for its end."""
        _check_bound(sql, parameters)
        settings = {**self._always, "async_insert": 0, "wait_end_of_query": 1, **settings}
        with _sorted_failures():
            client = await self._connected()
            await client.command(sql, parameters=dict(parameters), settings=settings)

    def stored(self, table: str) -> str:
        """Return what follows TABLE in a statement that changes rows or parts of `table`, wherever they are."""
        return cluster.stored(table, self.settings.cluster)

    def named(self, table: str) -> str:
        """Return the full name under which a node keeps its rows of `table`, where a statement names a second table."""
        return cluster.named(table, self.settings.cluster, self.settings.database)

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._client is None:
                self._client = await clickhouse_connect.get_async_client(
                    host=self.settings.host,
                    port=self.settings.port,
                    database=self.settings.database,
                    username=self.settings.user,
                    password=_password_of(self.settings),
                    secure=self.settings.tls,
                    ca_cert=None if self.settings.tls_ca_file is None else str(self.settings.tls_ca_file),
                    connect_timeout=self.settings.connect_timeout_seconds,
                    send_receive_timeout=self.settings.request_timeout_seconds,
                    client_name="threadline",
                    autogenerate_session_id=False,  # a session would allow one query at a time
                    compress=False,
                    query_limit=0,
                    query_retries=0,
                    show_clickhouse_errors=True,
                    tz_mode="aware",
                )
            return self._client


def new_token() -> str:
    """Return a token that no insert has had: without one, ClickHouse would discard rows equal to earlier ones.

    (`insert_deduplicate=0` does not prevent that since 26.x, where `deduplicate_insert` decides.)
    """
    return uuid4().hex


async def _sent(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)  # a socket that takes everything at once would keep all others waiting


def _password_of(settings: ClickHouseSettings) -> str:
    if settings.password_file is None:
        return settings.password.get_secret_value()
    try:
        return settings.password_file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"THREADLINE_CLICKHOUSE_PASSWORD_FILE cannot be read: {error}") from error


def _check_bound(sql: str, parameters: Mapping[str, object]) -> None:
    """Refuse parameters that the SQL does not bind: the library would paste them into its text."""
    unbound = [name for name in parameters if f"{{{name}:" not in sql]
    if unbound:
        raise ValueError(f"parameters without a place {{name:Type}} in the SQL: {', '.join(unbound)}")


@contextmanager
def _sorted_failures() -> Iterator[None]:
    try:
        yield
    except (DriverError, *_TRANSPORT_FAILURES) as error:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            # The library may say a cancellation as a failure of its own; who then tries again is never ended.
            raise asyncio.CancelledError from error
        code = getattr(error, "code", None)
        raise failure_of(code if isinstance(code, int) else 0, _reason(error)) from error


def _reason(error: Exception) -> str:
    """Return what the server said, without what the library puts around it."""
    text = str(error) or type(error).__name__
    return text.partition("server response: ")[2].rpartition(" (for url ")[0] or text
