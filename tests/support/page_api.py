"""The public API as the tests of the page use it: to log what a person will see, and to look at what a person did."""

import json
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import uuid_utils.compat as uuids

PROJECT = "Page"
BEGAN = datetime(2026, 11, 23, 5, tzinfo=UTC)
ITEMS_MAX = 1000


class Api:
    """Calls of one project at `base_url`."""

    def __init__(self, base_url: str, project: str = PROJECT) -> None:
        self.base_url = base_url
        self.project = project

    def call(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(  # noqa: S310
            f"{self.base_url}/api/v1/private/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            content = answer.read()
        return json.loads(content) if content else None

    def log(self, thread_id: str, *turns: tuple[object, object], **fields: Any) -> list[str]:
        """Log turns of (input, output), a minute apart, and return their trace ids; an output of None is left out."""
        traces = []
        for number, (asked, answered) in enumerate(turns):
            began = BEGAN + timedelta(minutes=number)
            trace = {
                "id": str(uuids.uuid7()), "project_name": self.project, "thread_id": thread_id, "name": "chat",
                "input": asked, "output": answered, "start_time": _iso(began),
                "end_time": _iso(began + timedelta(seconds=1)),
            }  # fmt: skip
            traces.append({name: value for name, value in (trace | fields).items() if value is not None})
        for begin in range(0, len(traces), ITEMS_MAX):
            self.call("POST", "traces/batch", {"traces": traces[begin : begin + ITEMS_MAX]})
        return [trace["id"] for trace in traces]

    def log_spans(self, trace_id: str, spans: Sequence[Mapping[str, Any]]) -> list[str]:
        """Log spans; `offset_ms` and `length_ms` say when, `parent` is a place in the list."""
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
        return ids

    def close(self, *thread_ids: str) -> None:
        self.call("PUT", "traces/threads/close", {"project_name": self.project, "thread_ids": list(thread_ids)})

    def thread(self, thread_id: str) -> dict[str, Any]:
        wanted = {"project_name": self.project, "thread_id": thread_id}
        return dict(self.call("POST", "traces/threads/retrieve", wanted))

    def trace(self, trace_id: str) -> dict[str, Any]:
        return dict(self.call("GET", f"traces/{trace_id}"))

    def project_id(self) -> str:
        return str(self.call("POST", "projects/retrieve", {"name": self.project})["id"])


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
