"""The chDB engine of this process, and connections to it.

Measured with chdb 4.4.0 (ClickHouse 26.9): queries of different connections run in parallel and without the GIL;
settings, current database and temporary tables belong to a connection; a connection costs 0.15 ms, so each request
without a session gets one of its own. One connection runs one query at a time, so its owner must.

Rows are given to it as files (`INSERT ... FROM INFILE`). Its streaming insert (`send_insert`) must not be used: what
fails when the last block is written (too many partitions, a constraint) is swallowed, and reported as written.
"""

import fcntl
import importlib
import os
import shutil
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlencode

from pipeline.errors import InvalidSettings
from pipeline.local.clickhouse.failures import EngineFailed
from pipeline.local.clickhouse.wire import Progress

# chDB starts as clickhouse-local, which differs from a server in these.
_SERVER_SETTINGS: Final = {"implicit_select": "0", "allow_introspection_functions": "0"}
_MERGING: Final = {
    "background_pool_size": max(1, (os.cpu_count() or 1) // 2),
}
"""At most half of the cores merge at a time: three large merges at once made everything else wait for 10 s."""
_MARK: Final = "log_comment"  # a setting that shows in system.processes: by it a running query is found


class Engine:
    """The database in one directory; one process at a time may hold it."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self.spool: Final = path / "threadline.spool"  # rows on their way in
        self.version = ""
        self.timezone = ""
        self.setting_names: frozenset[str] = frozenset()
        self._native: Any = None
        self._held: Connection | None = None
        self._lock: IO[bytes] | None = None

    def open(self) -> None:
        """Start the engine (about 1 s, most of it loading the library).

        Raises InvalidSettings if another process holds the directory.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = (self.path / "threadline.lock").open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as taken:
            raise InvalidSettings(f"another process has the database in {self.path} open") from taken
        shutil.rmtree(self.spool, ignore_errors=True)  # what a killed process left behind
        self.spool.mkdir()
        self._native = importlib.import_module("chdb")._chdb  # noqa: SLF001 - its wrapper closes what it hands out
        self._held = self.connect()  # the engine lives as long as a connection to it
        described = self._held.run(b"SELECT version(), timezone()", "TabSeparated", {})
        names = self._held.run(b"SELECT name FROM system.settings", "TabSeparated", {})
        self.setting_names = frozenset(names.decode().split())
        self.version, self.timezone = described.decode().rstrip("\n").split("\t")

    def connect(self) -> "Connection":
        """Return a new connection with a server's settings."""
        return Connection(self._native.connect(f"{self.path}?{urlencode(_MERGING)}"))

    def cancel(self, mark: str) -> None:
        """Ask the queries that run under `mark` to stop; they fail with QUERY_WAS_CANCELLED."""
        self._kill(f"Settings['{_MARK}'] = {quoted(mark)}")

    def cancel_all(self) -> None:
        """Ask every running query to stop."""
        self._kill("1")

    def _kill(self, condition: str) -> None:
        connection = self.connect()
        try:
            connection.run(f"KILL QUERY WHERE {condition} ASYNC".encode(), "Null", {})
        finally:
            connection.close()

    def close(self) -> None:
        """Close the database; every other connection must be closed already."""
        if self._held is not None:
            self._held.close()
        if self._lock is not None:
            self._lock.close()


class Connection:
    """One connection of the engine: one query at a time, on any one OS thread at a time."""

    def __init__(self, native: Any) -> None:
        self._native = native
        self.progress = Progress()

    def prepare(self, settings: Mapping[str, str], database: str, mark: str) -> None:
        """Set what the next query sees."""
        if database:
            self._set(f"USE {identifier(database)}")
        wanted = _SERVER_SETTINGS | {_MARK: mark} | dict(settings)
        self._set("SET " + ", ".join(f"{identifier(name)} = {quoted(value)}" for name, value in wanted.items()))
        self.progress = Progress()

    def restore(self, settings: Iterable[str], *, leaves_database: bool, statements: Iterable[bytes]) -> None:
        """Undo `prepare`, then repeat what the session itself has set."""
        if leaves_database:
            self._set("USE default")
        names = [*settings, _MARK]
        self._set("SET " + ", ".join(f"{identifier(name)} = DEFAULT" for name in names))
        for statement in statements:
            self.run(statement, "Null", {})

    def run(self, text: bytes, format_name: str, parameters: Mapping[str, str]) -> bytes:
        """Run any statement and return its whole result."""
        with _failures():
            result = self._native.query(_text(text), format_name, params=dict(parameters))
        content: bytes = result.bytes()
        self.progress = replace(
            self.progress,
            read_rows=result.storage_rows_read(),
            read_bytes=result.storage_bytes_read(),
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
            result_rows=result.rows_read(),
            result_bytes=len(content),
        )
        return content

    def stream(self, text: bytes, format_name: str, parameters: Mapping[str, str]) -> Generator[bytes, None, None]:
        """Yield the result of a SELECT block by block; leaving early stops the query."""
        with _failures():
            handle = self._native.send_query(_text(text), format_name, params=dict(parameters))
        try:
            yield from self._blocks(handle)
        finally:
            self._native.streaming_cancel_query(handle)

    def _blocks(self, handle: Any) -> Iterator[bytes]:
        while True:
            with _failures():
                block = self._native.streaming_fetch_result(handle)
            if block is None or block.rows_read() == 0:
                return
            content: bytes = block.bytes()
            self.progress = replace(
                self.progress,
                read_rows=self.progress.read_rows + block.storage_rows_read(),
                read_bytes=self.progress.read_bytes + block.storage_bytes_read(),
                result_rows=self.progress.result_rows + block.rows_read(),
                result_bytes=self.progress.result_bytes + len(content),
            )
            yield content

    def close(self) -> None:
        """Give the connection back; a query that still runs on it is cancelled."""
        self._native.close()

    def _set(self, text: str) -> None:
        with _failures():
            self._native.query(_text(text.encode("utf-8", "surrogateescape")), "Null")


@contextmanager
def _failures() -> Iterator[None]:
    """Raise what the engine reports as EngineFailed."""
    try:
        yield
    except RuntimeError as failed:
        raise EngineFailed(str(failed)) from failed
    except UnicodeDecodeError as failed:  # a report that quotes bytes which are not UTF-8 comes in this wrapping
        raise EngineFailed(failed.object.decode(errors="backslashreplace")) from failed


def _text(statement: bytes) -> str | bytes:
    """Return text where it is text: the engine takes bytes for values that are not UTF-8."""
    try:
        return statement.decode()
    except UnicodeDecodeError:
        return statement


def quoted(value: str) -> str:
    """Return a string literal of ClickHouse."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    """Return a quoted name, whatever it contains."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
