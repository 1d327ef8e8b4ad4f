"""Run a client, and read from the query side what became of it."""

import http.client
import json
import shutil
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.contract.clients.expected import SCRIPTS, Client
from tests.support.client_env import run_client
from tests.support.waiting import wait_until

Json = dict[str, Any]
SECONDS_MAX = 1200  # all scripts and the silence after the last, on a machine that does other things too
SCRIPT_SECONDS_MAX = 600
LOOK_INTERVAL_SECONDS = 5.0  # of each client: a look costs the stack a list of threads, and states last for 30 s


class Reader:
    """The HTTP API of the query side, for one project."""

    def __init__(self, port: int, project: str, workspace: str = "default") -> None:
        self._port = port
        self._project = project
        self._headers = {"Comet-Workspace": workspace}

    def threads(self) -> list[Json]:
        return self._page("traces/threads")

    def threads_by_id(self) -> dict[str, Json]:
        return {thread["id"]: thread for thread in self.threads()}

    def traces(self) -> list[Json]:
        found: list[Json] = [self._get(f"traces/{trace['id']}") for trace in self.listed_traces()]
        return sorted(found, key=lambda trace: (trace["start_time"], trace["id"]))

    def listed_traces(self) -> list[Json]:
        """Return the traces as they are listed, in one request."""
        return self._page("traces")

    def spans(self, trace_id: str) -> list[Json]:
        return self._page("spans", trace_id=trace_id)

    def listed_spans(self) -> list[Json]:
        """Return the spans of all traces, in one request."""
        return self._page("spans")

    def _page(self, path: str, **query: str) -> list[Json]:
        answer = self._get(f"{path}?{urlencode({'project_name': self._project, 'size': 100, **query})}")
        content: list[Json] = answer["content"]
        assert len(content) == answer["total"]
        return content

    def _get(self, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            connection.request("GET", f"/api/v1/private/{path}", headers=self._headers)
            answer = connection.getresponse()
            body = json.loads(answer.read())
            assert answer.status == 200, (path, answer.status, body)
            return body
        finally:
            connection.close()


@dataclass(frozen=True)
class Observed:
    """What the query side shows of one client after its threads have gone silent."""

    printed: str
    lives: dict[str, list[str]]  # thread id -> the states in which it was seen, one after another
    threads: dict[str, Json]
    traces: list[Json]
    spans: dict[str, list[Json]]  # trace id -> its spans


def run(
    client: Client, environment: Mapping[str, str], *, pythons: Mapping[str, Path], npm: Path, base_url: str
) -> str:
    """Run the script of a client to its end and return what it printed."""
    program, script = pythons[client.requirements], SCRIPTS / client.script
    if script.suffix == ".mjs":  # modules are found from where the script lies
        program, script = Path(shutil.which("node") or "node"), Path(shutil.copy(script, npm))
    environment = {**environment, "OPIK_PROJECT_NAME": client.project}
    return run_client(
        program,
        script,
        *client.arguments,
        base_url=base_url,
        environment=environment,
        seconds_max=SCRIPT_SECONDS_MAX,
    )


def watch(client: Client, reader: Reader, scripts: Executor, **how: Any) -> tuple[str, dict[str, list[str]]]:
    """Run a client, and look meanwhile at the states of its threads, until all of them are closed."""
    lives: dict[str, list[str]] = defaultdict(list)
    script = scripts.submit(run, client, **how)

    def look() -> dict[str, list[str]]:
        for thread in reader.threads() if script.running() or script.done() else []:
            if lives[thread["id"]][-1:] != [thread["status"]]:
                lives[thread["id"]].append(thread["status"])
        return lives

    def is_over(lives: dict[str, list[str]]) -> bool:
        closed = {thread_id for thread_id, life in lives.items() if life[-1] == "inactive"}
        return script.done() and script.result() is not None and closed >= set(client.conversations)

    wait_until(look, is_over, seconds_max=SECONDS_MAX, interval_seconds=LOOK_INTERVAL_SECONDS)
    return script.result(), dict(lives)


def read(reader: Reader, printed: str, lives: dict[str, list[str]]) -> Observed:
    """Read everything of one project."""
    traces = reader.traces()
    return Observed(
        printed,
        lives,
        reader.threads_by_id(),
        traces,
        {trace["id"]: reader.spans(trace["id"]) for trace in traces},
    )


def tree(spans: list[Json], parent: str | None = None) -> str:
    """Write spans as `expected.Turn` does."""
    children = [span for span in spans if span.get("parent_span_id") == parent]
    shown = []
    for span in sorted(children, key=lambda span: (span["start_time"], span["id"])):
        below = tree(spans, span["id"])
        shown.append(f"{span['name']}:{span['type']}" + (f"({below})" if below else ""))
    return " ".join(shown)
