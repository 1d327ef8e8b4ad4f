"""Every real client and integration, unmodified, against a running stack; checked is what the query side returns."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from tests.contract.clients import table
from tests.contract.clients.expected import CLIENTS, SCRIPTS, Client, Turn
from tests.contract.clients.model_server import ModelServer
from tests.contract.clients.observed import Observed, Reader, read, tree, watch
from tests.support.client_env import locked_npm, locked_python, run_client
from tests.support.running import RunningStack
from tests.support.waiting import wait_until

HERE = Path(__file__).parent
README = HERE.parents[1] / "README.md"
THREAD_TIMEOUT = "30s"  # a script must be seen active in between, on a machine that does other things too
AT_A_TIME = 2
SCORED_SECONDS_MAX = 120.0
PROGRAMMATIC = "programmatic"  # its project, and its workspace


class Runs:
    """All clients, two at a time, and what was seen of each; a client that fails fails only its own tests."""

    def __init__(self, stack: RunningStack, models: ModelServer, pythons: Mapping[str, Path], npm: Path) -> None:
        self._stack = stack
        self._environment = {
            "OPENAI_API_KEY": "none",
            "OPENAI_BASE_URL": f"{models.base_url}/openai/v1",
            "GOOGLE_API_KEY": "none",
            "GOOGLE_GEMINI_BASE_URL": f"{models.base_url}/gemini",
            "LANGSMITH_TRACING": "false",
            "LITELLM_LOCAL_MODEL_COST_MAP": "true",
            **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), models.base_url),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1"),
        }
        self._how: dict[str, Any] = {"pythons": pythons, "npm": npm, "base_url": stack.base_url}
        self._python: Path = pythons["."]
        self._observed: dict[str, Observed] = {}
        with ThreadPoolExecutor(AT_A_TIME) as scripts, ThreadPoolExecutor(len(CLIENTS)) as watchers:
            self.programmatic: Future[str] = scripts.submit(self._run_programmatic)
            self._seen = {client.name: watchers.submit(self._watch, client, scripts) for client in CLIENTS}
        self._score_all()

    def programmatic_of(self) -> Observed:
        """Return what the query side shows after the programmatic part, whose lives its script saw itself."""
        printed = self.programmatic.result()
        said = json.loads(printed)
        lives = {thread_id: ["active", "inactive"] for thread_id in said["closed"]}
        return read(Reader(self._stack.port, PROGRAMMATIC, workspace=PROGRAMMATIC), printed, lives)

    def of(self, client: Client) -> Observed:
        """Return what the query side shows of a client, read once."""
        if client.name not in self._observed:
            printed, lives = self._seen[client.name].result()
            self._observed[client.name] = read(self.reader(client.project), printed, lives)
        return self._observed[client.name]

    def with_scores_of(self, client: Client) -> Observed:
        """Return what the query side shows of a client, its threads as they are now: scores come last."""
        if self._seen[client.name].exception():
            return table.NOTHING  # a client that failed was not seen to do anything
        return replace(self.of(client), threads=self.reader(client.project).threads_by_id())

    def table(self) -> str:
        """Return the table of what was seen."""
        seen = {client.name: self.with_scores_of(client) for client in CLIENTS}
        seen["opik programmatic"] = table.NOTHING if self.programmatic.exception() else self.programmatic_of()
        return table.markdown({name: table.features(observed) for name, observed in seen.items()})

    def reader(self, project: str) -> Reader:
        return Reader(self._stack.port, project)

    def _watch(self, client: Client, scripts: Executor) -> tuple[str, dict[str, list[str]]]:
        return watch(client, self.reader(client.project), scripts, environment=self._environment, **self._how)

    def _run_programmatic(self) -> str:
        environment = {**self._environment, "OPIK_PROJECT_NAME": PROGRAMMATIC, "OPIK_WORKSPACE": PROGRAMMATIC}
        script = SCRIPTS / "programmatic.py"
        return run_client(self._python, script, base_url=self._stack.base_url, environment=environment)

    def _score_all(self) -> None:
        threads = {
            client.project: list(client.conversations) for client in CLIENTS if not self._seen[client.name].exception()
        }
        script = SCRIPTS / "score_threads.py"
        run_client(
            self._python,
            script,
            json.dumps(threads),
            base_url=self._stack.base_url,
            environment=self._environment,
        )


@pytest.fixture(scope="module")
def environments() -> tuple[dict[str, Path], Path]:
    folders = sorted({client.requirements for client in CLIENTS})
    with ThreadPoolExecutor(2) as pool:
        npm = pool.submit(locked_npm, HERE / "clients" / "npm")
        locks = [HERE / "clients" / folder / "requirements.txt" for folder in folders]
        pythons = dict(zip(folders, pool.map(locked_python, locks), strict=True))
    return pythons, npm.result()


@pytest.fixture(scope="module")
def models() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="module")
def runs(
    environments: tuple[dict[str, Path], Path], models: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("clients")
    with RunningStack(folder, "--thread-timeout", THREAD_TIMEOUT) as stack:
        yield Runs(stack, models, *environments)


@pytest.fixture(scope="module")
def seen(runs: Runs, request: pytest.FixtureRequest) -> Observed:
    return runs.of(request.param)


of_every_client = pytest.mark.parametrize(
    ("client", "seen"),
    [pytest.param(client, client, id=client.project) for client in CLIENTS],
    indirect=["seen"],
    scope="module",
)


@of_every_client
def test_conversations_read_as_they_were_held(client: Client, seen: Observed) -> None:
    held: dict[str | None, list[Turn]] = {}
    for trace in seen.traces:
        asked, answered = json.dumps(trace.get("input")), json.dumps(trace.get("output"))
        error = (trace.get("error_info") or {}).get("exception_type")
        held.setdefault(trace.get("thread_id"), []).append(Turn(asked, answered, tree(seen.spans[trace["id"]]), error))

    assert {thread_id: len(turns) for thread_id, turns in held.items() if thread_id} == {
        thread_id: len(turns) for thread_id, turns in client.conversations.items()
    }
    assert len(held.get(None, [])) == client.without_thread
    for thread_id, turns in client.conversations.items():
        for wanted, got in zip(turns, held[thread_id], strict=True):
            assert wanted.asked in str(got.asked)
            assert (wanted.answered in str(got.answered)) if wanted.answered is not None else (got.answered == "null")
            assert (got.spans, got.error) == (wanted.spans, wanted.error)


@of_every_client
def test_threads_show_their_ends_their_size_and_their_usage(client: Client, seen: Observed) -> None:
    assert set(seen.threads) == set(client.conversations)
    for thread_id, turns in client.conversations.items():
        thread = seen.threads[thread_id]
        ended = [trace for trace in seen.traces if trace.get("thread_id") == thread_id]
        last = max(ended, key=lambda trace: (trace.get("end_time") or "", trace["id"]))
        assert thread["number_of_messages"] == 2 * len(turns)
        assert thread.get("first_message") == ended[0].get("input")
        if last.get("end_time"):
            assert thread.get("last_message") == last.get("output")
        assert (thread.get("usage") or {}).get("total_tokens") == client.tokens.get(thread_id)
        if thread_id in client.cost:
            assert thread["total_estimated_cost"] == pytest.approx(client.cost[thread_id])


@of_every_client
def test_threads_were_seen_active_and_then_inactive(client: Client, seen: Observed) -> None:
    assert set(seen.lives) == set(client.conversations)
    for thread_id, life in seen.lives.items():
        expected = [("active", "inactive")[turn % 2] for turn in range(len(life))]
        assert life == expected or (thread_id in client.closes and life == ["inactive"])
        assert life[-1] == "inactive"


@of_every_client
def test_scores_stand_at_what_was_scored(client: Client, seen: Observed, runs: Runs) -> None:
    reader = runs.reader(client.project)
    scored = wait_until(
        reader.threads,
        lambda threads: all("reviewed" in scores_of(thread) for thread in threads),
        seconds_max=SCORED_SECONDS_MAX,
    )
    values: dict[str, list[float]] = {}
    for trace in seen.traces:
        for name, value in scores_of(trace).items():
            values.setdefault(name, []).append(value)

    assert all(scores_of(thread)["reviewed"] == 0.9 for thread in scored)
    assert {name: mean(found) for name, found in values.items()} == pytest.approx(client.trace_scores)


@pytest.fixture(scope="module")
def said(runs: Runs) -> dict[str, Any]:
    """What the calls of the programmatic part answered."""
    answers: dict[str, Any] = json.loads(runs.programmatic.result())
    return answers


def test_conversations_are_found_by_thread_id_and_read(said: dict[str, Any]) -> None:
    assert said["contents"] == [
        ["user-session-1", {"user": "What is Opik?"}, {"assistant": "WHAT IS OPIK?"}],
        ["user-session-1", {"user": "And a thread?"}, {"assistant": "AND A THREAD?"}],
        ["user-session-2", {"user": "Hello"}, {"assistant": "HELLO"}],
    ]
    sessions = ["user-session-1", "user-session-2"]
    assert said["traces by thread_id"] == {
        '= "batch-job"': ["batch-job"],
        '!= "batch-job"': sessions,
        'contains "session"': sessions,
        'not_contains "session"': ["batch-job"],
        'starts_with "user"': sessions,
        'ends_with "-2"': ["user-session-2"],
        '> "user-session-1"': ["user-session-2"],
        '< "c"': ["batch-job"],
    }
    assert said["threads by"] == {
        'status = "active"': ["batch-job", *sessions],
        "number_of_messages >= 4": ["user-session-1"],
        'id starts_with "user"': sessions,
        'thread_id = "batch-job"': ["batch-job"],
        'first_message contains "opik"': ["user-session-1"],
        'last_message = "none of them"': [],
    }
    assert said["failed"] == ["user-session-2"]
    assert said["spans"] == 4
    assert said["rated"] == ["user-session-2"]


def test_threads_are_closed_and_then_scored(said: dict[str, Any]) -> None:
    status, body = said["score while open"]

    assert (status, body["code"]) == (409, 409)
    assert body["message"] == "Threads must be closed before scoring. Thread IDs are active: '[user-session-1]'"
    assert said["closed"] == ["batch-job", "user-session-1", "user-session-2"]
    assert said["scored"] == {"quality": 0.8, "resolved": 1.0}
    assert said["found by score"] == ["user-session-1"]
    assert said["names"] == ["quality", "resolved"]
    assert said["after the deletion of a score"] == {"quality": 0.8}
    assert said["close of a thread that never was"] == 404


def test_threads_are_tagged_and_commented(said: dict[str, Any]) -> None:
    assert said["tags"] == ["seen", "vip"]
    assert said["found by tag"] == ["user-session-1"]
    assert said["comment"] == "asked again"


def test_a_project_is_seen_as_a_whole(said: dict[str, Any]) -> None:
    assert said["stats"] == {
        "thread_count": 3,
        "usage.total_tokens": pytest.approx(20 / 3),
        "feedback_scores.quality": 0.8,
    }
    assert said["page"] == [1, 3, ["user-session-1"]]
    assert said["sortable"]
    first, last, messages, usage, cost = said["thread"]
    assert (first, last, messages) == ({"user": "What is Opik?"}, {"assistant": "AND A THREAD?"}, 4)
    assert (usage["total_tokens"], cost) == (10, 1.0)
    assert (said["exists"], said["project"]) == (True, PROGRAMMATIC)


def test_a_thread_opened_again_loses_its_human_scores_and_a_deleted_one_is_gone(said: dict[str, Any]) -> None:
    assert said["configured"] == "PT1H"
    assert said["scores after the reopening"] == {}
    assert said["deleted"] == 404
    assert said["left"] == ["user-session-1", "user-session-2"]


def test_evaluate_threads_scores_conversations_in_their_order(runs: Runs) -> None:
    (client,) = [client for client in CLIENTS if client.name == "evaluate_threads"]
    observed = runs.of(client)

    assert json.loads(observed.printed) == {
        "short": [[1, "Hello"]],
        "long": [[3, "What is Opik? | And a thread? | Thanks"]],
    }
    assert {name: scores_of(thread).get("turns") for name, thread in observed.threads.items()} == {
        "short": 1,
        "long": 3,
        "open": None,
    }
    evaluations = runs.reader(f"{client.project}-evaluation").traces()
    assert [trace["name"] for trace in evaluations] == ["evaluation_task"] * 2


def test_no_client_said_anything_to_anybody_outside_this_machine(runs: Runs, models: ModelServer) -> None:
    assert runs.of(CLIENTS[0]).traces
    assert models.outsiders == []


def test_the_table_of_the_readme_is_what_was_seen(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    shown = runs.table()
    with capsys.disabled():
        print(f"\n{shown}")

    assert table.in_readme(README) == shown


def scores_of(entity: dict[str, Any]) -> dict[str, float]:
    return {score["name"]: score["value"] for score in entity.get("feedback_scores") or []}
