"""ClickHouse's HTTP interface as plain functions: a request in words, and the headers of an answer.

Source: clickhouse.com/docs/interfaces/http, and what clickhouse-connect 1.12 sends and reads.
"""

import email.parser
import email.policy
import json
import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final
from urllib.parse import parse_qsl

from pipeline.local.clickhouse.encodings import chosen_encoding
from pipeline.local.clickhouse.failures import (
    BAD_ARGUMENTS,
    INVALID_SESSION_TIMEOUT,
    NOT_IMPLEMENTED,
    QueryFailed,
)

DEFAULT_FORMAT: Final = "TabSeparated"
SESSION_SECONDS_DEFAULT: Final = 60
SESSION_SECONDS_MAX: Final = 3600
SERVER_NAME: Final = "threadline-local"
_PARAMETER: Final = "param_"

# Words of the interface itself; every other URL parameter is a setting of the engine.
_WORDS: Final = frozenset(
    {
        "query",
        "database",
        "default_format",
        "user",
        "password",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "quota_key",
        "compress",
        "decompress",
        "wait_end_of_query",
        "buffer_size",
        "role",
        "stacktrace",
        "close_session",
        "client_protocol_version",
    }
)

_CONTENT_TYPES: Final = {
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream",
    "Arrow": "application/octet-stream",
    "ArrowStream": "application/octet-stream",
    "Parquet": "application/octet-stream",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for, apart from its body."""

    query: bytes = b""
    database: str = ""
    default_format: str = DEFAULT_FORMAT
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)  # escaped as in TabSeparated, as the interface wants
    query_id: str = ""
    session_id: str = ""
    session_seconds: int = SESSION_SECONDS_DEFAULT
    is_session_checked: bool = False
    is_answered_whole: bool = False  # wait_end_of_query: no header before the last row
    content_encoding: str = ""
    answer_encoding: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a query read and wrote; `written_rows` counts the rows of materialized views too, as ClickHouse does."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    total_rows_to_read: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    elapsed_ns: int = 0


def read_request(
    method: str, query_string: bytes, headers: Mapping[str, str], form: Iterable[tuple[str, str]]
) -> Asked:
    """Read the words, settings and parameters of a request; a later one of the same name wins, the form over the URL.

    `headers` has lower-case names. Raises QueryFailed for what this server does not do, rather than do it half.
    """
    pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="surrogateescape")
    given = dict(pairs) | dict(form)
    if _is_true(given.get("compress")) or _is_true(given.get("decompress")):
        raise QueryFailed(
            NOT_IMPLEMENTED,
            "NOT_IMPLEMENTED",
            "compress and decompress (ClickHouse's own blocks): use Content-Encoding",
        )
    settings = {name: value for name, value in given.items() if name not in _WORDS and not name.startswith(_PARAMETER)}
    if method != "POST" and settings.get("readonly", "0") == "0":
        settings["readonly"] = "2"  # anything but POST only reads
    compresses = _is_true(settings.get("enable_http_compression"))
    return Asked(
        query=given.get("query", "").encode("utf-8", "surrogateescape"),
        database=given.get("database") or headers.get("x-clickhouse-database", ""),
        default_format=given.get("default_format") or headers.get("x-clickhouse-format") or DEFAULT_FORMAT,
        settings=settings,
        parameters={
            name.removeprefix(_PARAMETER): value for name, value in given.items() if name.startswith(_PARAMETER)
        },
        query_id=given.get("query_id") or str(uuid.uuid4()),
        session_id=given.get("session_id", ""),
        session_seconds=_session_seconds(given.get("session_timeout")),
        is_session_checked=_is_true(given.get("session_check")),
        is_answered_whole=_is_true(given.get("wait_end_of_query")),
        content_encoding=headers.get("content-encoding", "").strip().lower(),
        answer_encoding=chosen_encoding(headers.get("accept-encoding", "")) if compresses else "",
    )


def _is_true(value: str | None) -> bool:
    return value is not None and value.lower() not in {"", "0", "false"}


def _session_seconds(value: str | None) -> int:
    if value is None:
        return SESSION_SECONDS_DEFAULT
    if not value.isdigit() or not 0 < int(value) <= SESSION_SECONDS_MAX:
        raise QueryFailed(
            INVALID_SESSION_TIMEOUT,
            "INVALID_SESSION_TIMEOUT",
            f"Session timeout '{value}' is not between 1 and the maximum: {SESSION_SECONDS_MAX}",
        )
    return int(value)


def is_form(content_type: str) -> bool:
    """Tell whether a body holds fields (query and parameters) and not a query or rows.

    As ClickHouse has it, only "multipart/form-data" does: what curl sends, and calls urlencoded, is a query.
    """
    return content_type.partition(";")[0].strip().lower() == "multipart/form-data"


def read_form(content_type: str, body: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form; raises QueryFailed for files (external tables), which this server has not."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    # The policy that looks into headers when it is asked for them, not before: half of the time for a form of 80 kB.
    form = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(head + body)
    if not form.is_multipart():
        raise QueryFailed(BAD_ARGUMENTS, "BAD_ARGUMENTS", "The body is not the form its Content-Type says")
    fields: list[tuple[str, str]] = []
    for part in islice(form.walk(), 1, None):  # the first one is the form itself
        if part.get_filename() is not None:
            raise QueryFailed(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", "External tables (files of a form)")
        content = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        fields.append((str(name), content.decode() if isinstance(content, bytes) else ""))
    return fields


def summary(progress: Progress) -> str:
    """Return the value of X-ClickHouse-Summary: numbers as strings."""
    counts = {name: str(getattr(progress, name)) for name in Progress.__dataclass_fields__}
    return json.dumps(counts, separators=(",", ":"))


def answer_headers(asked: Asked, *, timezone: str, format_name: str | None, progress: Progress) -> dict[str, str]:
    """Return the headers of an answer; `format_name` is None where a statement has no result."""
    headers = {
        "X-ClickHouse-Server-Display-Name": SERVER_NAME,
        "X-ClickHouse-Query-Id": asked.query_id,
        "X-ClickHouse-Timezone": asked.settings.get("session_timezone") or timezone,
        "X-ClickHouse-Summary": summary(progress),
    }
    if format_name is not None:
        headers["X-ClickHouse-Format"] = format_name
        headers["Content-Type"] = _CONTENT_TYPES.get(format_name, "text/tab-separated-values; charset=UTF-8")
    return headers


def failure_headers(failed: QueryFailed, query_id: str) -> dict[str, str]:
    """Return the headers of an answer that is an exception."""
    return {
        "X-ClickHouse-Server-Display-Name": SERVER_NAME,
        "X-ClickHouse-Query-Id": query_id,
        "X-ClickHouse-Exception-Code": str(failed.code),
        "Content-Type": "text/plain; charset=UTF-8",
    }


def exception_tag() -> str:
    """Return a random tag of 16 digits, by which a client knows our exception from rows that look like one."""
    return secrets.token_hex(8)


def exception_frame(failed: QueryFailed, tag: str, version: str) -> bytes:
    """Return what is sent in the middle of a result when the query fails after its headers have gone.

    The frame of ClickHouse 25.11 and later; the length counts the text and its line end.
    """
    text = failed.text(version).encode()
    head = b"\r\n__exception__\r\n" + tag.encode() + b"\r\n"
    return head + text + f"{len(text)} {tag}\r\n__exception__\r\n".encode()
