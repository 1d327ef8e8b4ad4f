"""The public API as the tests of the page use it: to log what a person will see, and to look at what a person did."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import uuid_utils.compat as uuids

from tests.support.waiting import wait_until

PROJECT = "Page"
BEGAN = datetime(2026, 11, 23, 5, tzinfo=UTC)
ITEMS_MAX = 1000
STORED_SECONDS_MAX = 120.0


class Api:
    """Calls of one project at `base_url`, with an API key where keys are in force."""

    def __init__(self, base_url: str, project: str = PROJECT, *, key: str = "") -> None:
        self.base_url = base_url
        self.project = project
        self.key = key
        self._headers = {"Content-Type": "application/json", **({"Authorization": key} if key else {})}
        self._threads: set[str] = set()

    def call(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(  # noqa: S310
            f"{self.base_url}/api/v1/private/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers=self._headers,
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            content = answer.read()
        return json.loads(content) if content else None

    def log(self, thread_id: str, *turns: tuple[object, object], **fields: Any) -> list[str]:
        """Log turns of (input, output), a minute apart, and return their trace ids; an output of None is left out."""
        return self._log([self._turn(thread_id, at, *turn, **fields) for at, turn in enumerate(turns)])

    def log_threads(self, thread_ids: Iterable[str]) -> None:
        """Log one turn each."""
        self._log([self._turn(thread_id, 0, "x", "y") for thread_id in thread_ids])

    def _turn(self, thread_id: str, minute: int, asked: object, answered: object, **fields: Any) -> dict[str, Any]:
        began = BEGAN + timedelta(minutes=minute)
        trace = {
            "id": str(uuids.uuid7()), "project_name": self.project, "thread_id": thread_id, "name": "chat",
            "input": asked, "output": answered, "start_time": _iso(began),
            "end_time": _iso(began + timedelta(seconds=1)),
        }  # fmt: skip
        return {name: value for name, value in (trace | fields).items() if value is not None}

    def _log(self, traces: Sequence[Mapping[str, Any]]) -> list[str]:
        for begin in range(0, len(traces), ITEMS_MAX):
            self.call("POST", "traces/batch", {"traces": traces[begin : begin + ITEMS_MAX]})
        self._threads.update(trace["thread_id"] for trace in traces)
        return [trace["id"] for trace in traces]

    def log_spans(self, trace_id: str, spans: Sequence[Mapping[str, Any]]) -> list[str]:
        """Log spans until they are stored; `offset_ms` and `length_ms` say when, `parent` is a place in the list."""
        ids = [str(uuids.uuid7()) for _ in spans]
        rows = []
        for identity, span in zip(ids, spans, strict=True):
            began = BEGAN + timedelta(milliseconds=span["offset_ms"])
            fields = {name: value for name, value in span.items() if name not in {"offset_ms", "length_ms", "parent"}}
            parent = {"parent_span_id": ids[span["parent"]]} if "parent" in span else {}
            times = {"start_time": _iso(began), "end_time": _iso(began + timedelta(milliseconds=span["length_ms"]))}
            rows.append(
                {"id": identity, "trace_id": trace_id, "project_name": self.project, **times, **parent, **fields}
            )
        for begin in range(0, len(rows), ITEMS_MAX):
            self.call("POST", "spans/batch", {"spans": rows[begin : begin + ITEMS_MAX]})
        wait_until(
            lambda: self.trace(trace_id).get("span_count"),
            lambda found: found == len(rows),
            seconds_max=STORED_SECONDS_MAX,
        )
        return ids

    def close(self, *thread_ids: str) -> None:
        self.call("PUT", "traces/threads/close", {"project_name": self.project, "thread_ids": list(thread_ids)})

    def thread(self, thread_id: str) -> dict[str, Any]:
        """Return a thread; nothing where it is not stored yet."""
        return self._stored("POST", "traces/threads/retrieve", {"project_name": self.project, "thread_id": thread_id})

    def wait_for_threads(self) -> None:
        """Wait until every thread that was logged here is one of the list: a page that is opened then shows them."""
        path = f"traces/threads?project_name={quote(self.project)}&size=1"
        wait_until(
            lambda: self._stored("GET", path).get("total"),
            lambda found: found == len(self._threads),
            seconds_max=STORED_SECONDS_MAX,
        )

    def trace(self, trace_id: str) -> dict[str, Any]:
        """Return a trace; nothing where it is not stored yet."""
        return self._stored("GET", f"traces/{trace_id}")

    def project_id(self) -> str:
        """Return the project's id; nothing where it is not stored yet."""
        return str(self._stored("POST", "projects/retrieve", {"name": self.project}).get("id", ""))

    def _stored(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        try:
            return dict(self.call(method, path, body))
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
            return {}


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
