"""Conversations as a table: one row a trace, with what is known of its thread repeated on each.

Payloads, scores, comments, tags and usage are JSON text, so that a column has one type whatever clients logged.
"""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from pipeline.query.rows import Thread, Trace, encode

Kind = Literal["text", "number", "whole", "time", "json"]
"""What a column holds: `time` is ISO 8601 in UTC, `json` JSON text."""


class Column(NamedTuple):
    """One column, and where its value stands; an absent one is None."""

    name: str
    kind: Kind
    value: Callable[[Thread, Trace], Any]


def _of_thread(member: str, kind: Kind, name: str = "") -> Column:
    return Column(name or f"thread_{member}", kind, lambda thread, _: getattr(thread, member))


def _of_trace(member: str, kind: Kind, name: str = "") -> Column:
    return Column(name or member, kind, lambda _, trace: getattr(trace, member))


COLUMNS: Final = (
    _of_thread("id", "text"),
    _of_thread("thread_model_id", "text", "thread_model_id"),
    _of_thread("status", "text"),
    _of_thread("start_time", "time"),
    _of_thread("end_time", "time"),
    _of_thread("number_of_messages", "whole"),
    _of_thread("tags", "json"),
    _of_thread("feedback_scores", "json"),
    _of_thread("comments", "json"),
    _of_trace("id", "text", "trace_id"),
    _of_trace("name", "text"),
    _of_trace("start_time", "time"),
    _of_trace("end_time", "time"),
    _of_trace("duration", "number", "duration_ms"),
    _of_trace("input", "json"),
    _of_trace("output", "json"),
    _of_trace("metadata", "json"),
    _of_trace("error_info", "json"),
    _of_trace("tags", "json"),
    _of_trace("feedback_scores", "json"),
    _of_trace("comments", "json"),
    _of_trace("usage", "json"),
    _of_trace("total_estimated_cost", "number"),
    _of_trace("span_count", "whole"),
    _of_trace("ttft", "number", "ttft_ms"),
    _of_trace("source", "text"),
    _of_trace("environment", "text"),
)


def row_of(thread: Thread, trace: Trace) -> list[Any]:
    """Return the values of one trace, in the order of COLUMNS: text, numbers, or None."""
    return [_plain(column.kind, column.value(thread, trace)) for column in COLUMNS]


def _plain(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    match kind:
        case "json":
            return encode(value).decode() if value or isinstance(value, msgspec.Raw) else None
        case "number":
            return float(value)
        case "text":
            return str(value)
    return value


class Csv:
    """A table as RFC 4180 has it, with a line of names; an absent value is an empty cell."""

    def __init__(self) -> None:
        self._text: Final = io.StringIO()
        self._writer: Final = csv.writer(self._text, lineterminator="\r\n")
        self._writer.writerow([column.name for column in COLUMNS])
        self._thread: Thread | None = None

    def thread(self, thread: Thread) -> bytes:
        """Take the thread of the rows to come."""
        self._thread = thread
        return b""

    def turns(self, traces: Sequence[Trace]) -> bytes:
        """Write a row for each trace."""
        if self._thread is None:
            raise ValueError("traces before their thread")
        self._writer.writerows(row_of(self._thread, trace) for trace in traces)
        return self._written()

    def end(self) -> bytes:
        """Return what is left: the names, where there was no trace."""
        return self._written()

    def _written(self) -> bytes:
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text.encode()
