"""One request on the engine, from its first byte to its last; blocking, so it runs on executors."""

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from tempfile import NamedTemporaryFile, SpooledTemporaryFile
from typing import IO, Final

from pipeline.adapters.clock import Clock
from pipeline.local.clickhouse.encodings import decoded, encoder
from pipeline.local.clickhouse.engine import Connection, Engine, quoted
from pipeline.local.clickhouse.failures import QUERY_IS_TOO_LARGE, QueryFailed
from pipeline.local.clickhouse.sessions import Session
from pipeline.local.clickhouse.statement import Kind, Statement, parse_statement
from pipeline.local.clickhouse.wire import Asked, Progress, answer_headers, exception_frame, exception_tag

PIECE_BYTES: Final = 1024 * 1024
HEAD_BYTES: Final = 256 * 1024  # ClickHouse's max_query_size: an INSERT's text ends within it
QUERY_BYTES_MAX: Final = 64 * 1024 * 1024
SPOOL_MEMORY_BYTES_MAX: Final = 8 * 1024 * 1024

# Of these formats the engine's blocks, one after the other, are the whole result; others have a head or a foot.
_STREAMED: Final = frozenset(
    {
        "Native",
        "RowBinary",
        "JSONEachRow",
        "JSONStringsEachRow",
        "JSONCompactEachRow",
        "JSONCompactStringsEachRow",
        "NDJSON",
        "JSONLines",
        "TabSeparated",
        "TSV",
        "TabSeparatedRaw",
        "TSVRaw",
        "CSV",
        "LineAsString",
        "RawBLOB",
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What can be said before the body; `is_whole` if `first` is all of it."""

    headers: dict[str, str]
    first: bytes
    is_whole: bool


class Query:
    """`start`, then `more` until None, on any OS threads; `finish` at any time, once."""

    def __init__(self, engine: Engine, asked: Asked, body: IO[bytes], clock: Clock, session: Session | None) -> None:
        self._engine = engine
        self._asked = asked
        self._body = body
        self._clock = clock
        # A request that only reads cannot undo its `readonly`, so it does not touch the session's own connection.
        is_read_only = asked.settings.get("readonly", "0") != "0"
        self._session = None if is_read_only else session
        self._repeated = tuple(session.statements) if session is not None and is_read_only else ()
        self._connection: Connection | None = None
        self._blocks: Generator[bytes, None, None] | None = None
        self._raw: Iterator[bytes] = iter(())
        self._pieces: Iterator[bytes] = iter(())
        self._tag = exception_tag()
        self._turn = threading.Lock()

    @property
    def mark(self) -> str:
        """What the engine knows this query by while it runs."""
        return self._tag

    def start(self) -> Answer:
        """Run the statement to its end, or until there is more of a result than is worth holding back.

        Raises QueryFailed. Afterwards everything is given back, unless more of the result is to come.
        """
        with self._turn:
            answer: Answer | None = None
            try:
                answer = self._start()
            finally:
                if answer is None or answer.is_whole:
                    self._end()
            return answer

    def more(self) -> bytes | None:
        """Return the next piece of the body, None after the last."""
        with self._turn:
            return next(self._pieces, None)

    def finish(self) -> None:
        """End the query wherever it is and undo its settings; waits for a piece that is being made."""
        with self._turn:
            self._end()

    def _start(self) -> Answer:
        started = self._clock.monotonic()
        connection = self._connection = self._session.connection if self._session else self._engine.connect()
        head, rest = self._read_head()
        statement = parse_statement(head)
        for repeated in self._repeated:
            connection.run(repeated, "Null", {})
        connection.prepare(self._asked.settings, self._asked.database, self.mark)
        if statement.kind is Kind.INSERT:
            self._insert(connection, statement, head, rest)
            return self._answer(None, b"", started)
        return self._run(connection, statement, _whole(head, rest), started)

    def _insert(self, connection: Connection, statement: Statement, head: bytes, rest: Iterator[bytes]) -> None:
        """Write the rows that follow a statement: all of them are on disk before the engine sees the first."""
        with NamedTemporaryFile(dir=self._engine.spool) as rows:
            for piece in chain((head[statement.data_start :],), rest):
                rows.write(piece)
            rows.flush()
            source = f" FROM INFILE {quoted(rows.name)} COMPRESSION 'none' ".encode()
            before, settings = head[: statement.settings_start], head[statement.settings_start : statement.text_end]
            text = before + source + settings + f" FORMAT {statement.format_name}".encode()
            connection.run(text, "Null", self._asked.parameters)
        # Of rows from a file the engine calls those it read its result; a server calls them read.
        counted = connection.progress
        connection.progress = replace(counted, read_rows=counted.result_rows, result_rows=counted.written_rows)

    def _end(self) -> None:
        """Close what is open, once; the session's connection is put back to what the session has set."""
        self._body.close()
        if self._blocks is not None:
            self._blocks.close()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._session is None:
            connection.close()
            return
        connection.restore(
            self._engine.setting_names.intersection(self._asked.settings),
            leaves_database=bool(self._asked.database),
            statements=tuple(self._session.statements),
        )

    def _run(self, connection: Connection, statement: Statement, text: bytes, started: float) -> Answer:
        format_name = statement.format_name or self._asked.default_format
        parameters = self._asked.parameters
        if statement.kind is Kind.READ and format_name in _STREAMED:
            self._raw = self._blocks = connection.stream(text, format_name, parameters)
        else:
            content = connection.run(text, format_name, parameters)
            if statement.kind is Kind.SESSION and self._session is not None:
                self._session.remember(text)
            if statement.kind in (Kind.ACTION, Kind.SESSION) and not content:
                return self._answer(None, b"", started)
            self._raw = iter((content,))
        if self._asked.is_answered_whole:
            self._raw = _spooled(self._raw)
        # Fetched before the headers are made, so that a query that fails early has a status of its own.
        self._raw = _sliced(self._raw)
        first: list[bytes] = []
        is_whole = True
        for piece in self._raw:
            first.append(piece)
            if len(piece) == PIECE_BYTES:
                is_whole = False
                break
        self._pieces = self._encoded(self._guarded(first))
        beginning = b"".join(self._pieces) if is_whole else b""
        return self._answer(format_name, beginning, started, is_whole=is_whole)

    def _answer(self, format_name: str | None, first: bytes, started: float, *, is_whole: bool = True) -> Answer:
        counted = self._connection.progress if self._connection else Progress()
        progress = replace(counted, elapsed_ns=int((self._clock.monotonic() - started) * 1e9))
        headers = answer_headers(
            self._asked, timezone=self._engine.timezone, format_name=format_name, progress=progress
        )
        if format_name is not None:
            headers["X-ClickHouse-Exception-Tag"] = self._tag
            if self._asked.answer_encoding:
                headers["Content-Encoding"] = self._asked.answer_encoding
        return Answer(headers, first, is_whole)

    def _guarded(self, first: list[bytes]) -> Iterator[bytes]:
        """Yield the rest of the result; a failure in its midst becomes its last bytes, by which a client knows it."""
        yield from first
        try:
            yield from self._raw
        except QueryFailed as failed:
            yield exception_frame(failed, self._tag, self._engine.version)

    def _encoded(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        if not self._asked.answer_encoding:
            yield from filter(None, pieces)
            return
        frame = encoder(self._asked.answer_encoding)
        for piece in pieces:
            ready = frame.compress(piece)
            if ready:
                yield ready
        yield frame.flush()

    def _read_head(self) -> tuple[bytes, Iterator[bytes]]:
        """Return the beginning of the URL's query and the body as one text, and the rest of the body."""
        rest = decoded(iter(lambda: self._body.read(PIECE_BYTES), b""), self._asked.content_encoding)
        head = bytearray(self._asked.query)
        for number, piece in enumerate(rest):
            if number == 0 and head:
                head += b"\n"
            head += piece
            if len(head) >= HEAD_BYTES:
                break
        return bytes(head), rest


def _whole(head: bytes, rest: Iterator[bytes]) -> bytes:
    """Return a statement that is not an INSERT with data, within bounds."""
    text = bytearray(head)
    for piece in rest:
        text += piece
        if len(text) > QUERY_BYTES_MAX:
            raise QueryFailed(
                QUERY_IS_TOO_LARGE, "QUERY_IS_TOO_LARGE", f"A statement of more than {QUERY_BYTES_MAX} bytes"
            )
    return bytes(text)


def _sliced(contents: Iterator[bytes]) -> Iterator[bytes]:
    """Yield contents in pieces of PIECE_BYTES, small ones joined: a block of the engine can be tens of megabytes."""
    small = b""
    for content in contents:
        start = PIECE_BYTES - len(small)
        if len(content) < start:
            small += content
            continue
        yield small + content[:start]
        while len(content) - start >= PIECE_BYTES:
            yield content[start : start + PIECE_BYTES]
            start += PIECE_BYTES
        small = content[start:]
    if small:
        yield small


def _spooled(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Take a whole result, on disk if it is large, and yield it when all of it is there."""
    with SpooledTemporaryFile(max_size=SPOOL_MEMORY_BYTES_MAX) as spool:
        for piece in pieces:
            spool.write(piece)
        spool.seek(0)
        yield from iter(lambda: spool.read(PIECE_BYTES), b"")
