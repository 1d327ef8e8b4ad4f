"""The traffic of the real clients as it was recorded: requests that write traces and spans."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

RECORDING = Path(__file__).parents[1] / "contract" / "recorded-traffic.jsonl"
CREATES = re.compile(r"/v1/private/(traces|spans)(/batch)?")
PATCHES = re.compile(r"/v1/private/(traces|spans)/[0-9a-f-]{36}")


class Recorded(NamedTuple):
    """One recorded request."""

    method: str
    path: str
    body: dict[str, Any]


def writes_of_traces_and_spans() -> list[Recorded]:
    """Return every recorded request that creates or patches traces or spans, in the order of arrival."""
    with RECORDING.open() as lines:
        requests = [Recorded(line["method"], line["path"], line["body"]) for line in map(json.loads, lines)]
    return [
        request
        for request in requests
        if (request.method == "POST" and CREATES.fullmatch(request.path))
        or (request.method == "PATCH" and PATCHES.fullmatch(request.path))
    ]


def entity_ids(kind: str) -> set[str]:
    """Return the ids of all recorded `traces` or `spans`."""
    found = set()
    for method, path, body in writes_of_traces_and_spans():
        if f"/{kind}" not in path:
            continue
        if method == "PATCH":
            found.add(path.rsplit("/", 1)[1])
        else:
            found |= {item["id"] for item in body.get(kind, [body])}
    return found
