from typing import Any
from uuid import UUID

import pytest

from pipeline.events.controls import COMMAND_DECODER
from pipeline.events.envelope import HEADER_REPLY_TO, Record
from pipeline.events.identity import ThreadRef, parse_thread_key, project_id, thread_model_id
from pipeline.topics import TRACES
from tests.support.asgi import Answer, call
from tests.support.gateway import RECEIVED_AT_US, MemoryGateway, MemoryStorage, kind_of

BASE = "/api/v1/private/traces/threads"
SCORES = f"{BASE}/feedback-scores"
ZOO = project_id("default", "zoo")
TOO_MANY = [str(number) for number in range(1001)]
DEFAULT = project_id("default", "Default Project")


def a_score(thread_id: object = "t", **fields: Any) -> dict[str, Any]:
    return {"thread_id": thread_id, "project_name": "zoo", "name": "csat", "value": 0.9, "source": "sdk", **fields}


def threads_of(records: list[Record]) -> list[ThreadRef]:
    return [parse_thread_key(record.key or b"") for record in records]


def active(*thread_ids: str) -> Any:
    """Return what decides that the scores of these threads are refused."""
    return lambda record: "refused" if parse_thread_key(record.key).thread_id in thread_ids else "applied"


@pytest.mark.parametrize(
    ("method", "path", "kind"), [("PUT", "close", "close"), ("PUT", "open", "open"), ("POST", "delete", "delete")]
)
@pytest.mark.parametrize(
    ("body", "project", "thread_ids"),
    [
        ({"thread_id": "t", "project_name": " Zoo "}, ZOO, ["t"]),
        ({"thread_ids": ["b", "a", "b"], "project_name": "zoo"}, ZOO, ["b", "a"]),
        ({"thread_id": "t", "thread_ids": ["t", "u"], "project_id": str(ZOO)}, ZOO, ["t", "u"]),
        ({"thread_id": " t ", "project_name": None}, DEFAULT, [" t "]),
    ],
)
async def test_a_command_goes_to_the_log_of_each_thread_that_is_named(
    method: str, path: str, kind: str, body: dict[str, Any], project: UUID, thread_ids: list[str]
) -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, method, f"{BASE}/{path}", body)

    assert answer.status == 204
    records = memory.producer.of(TRACES)
    assert threads_of(records) == [ThreadRef("default", project, thread_id) for thread_id in thread_ids]
    assert {kind_of(record) for record in records} == {kind}
    assert all(HEADER_REPLY_TO in dict(record.headers) for record in records)
    assert COMMAND_DECODER.decode(records[0].value or b"").requested_at_us == RECEIVED_AT_US


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({}, 422, "thread_id or 1 to 1000 thread_ids are required, not 0"),
        ({"thread_ids": []}, 422, "thread_id or 1 to 1000 thread_ids are required, not 0"),
        (
            {"thread_ids": [str(n) for n in range(1001)]},
            422,
            "thread_id or 1 to 1000 thread_ids are required, not 1001",
        ),
        ({"thread_id": " "}, 400, "thread_id must not be blank"),
        ({"thread_ids": ["a", ""]}, 400, "thread_id must not be blank"),
        ({"thread_id": 5}, 400, "thread_id: Expected `str | null`, got `int`"),
        ({"thread_id": "a", "project_id": "zoo"}, 400, "project_id: Invalid UUID"),
        (b"close it", 400, "not JSON: JSON is malformed: invalid character (byte 0)"),
    ],
)
async def test_a_body_that_names_no_thread_is_refused_by_name(body: Any, status: int, error: str) -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, "PUT", f"{BASE}/close", body)

    assert (answer.status, answer.json) == (status, {"errors": [error]})
    assert memory.producer.counts() == {}


async def close_of(known: dict[str, bool] | None, outcome: str) -> Answer:
    """Close threads a and b, where storage says what `known` does (None: it is away), and the stream `outcome`."""
    storage = MemoryStorage()
    storage.threads = known and {("default", ZOO, thread_id): is_known for thread_id, is_known in known.items()}
    memory = MemoryGateway(storage=storage)
    memory.replies.decide = lambda _: outcome
    return await call(memory.app, "PUT", f"{BASE}/close", {"thread_ids": ["b", "a"], "project_name": "zoo"})


@pytest.mark.parametrize(
    ("known", "outcome", "status"),
    [
        ({"a": True, "b": True}, "ignored", 204),
        ({"a": False, "b": True}, "ignored", 404),
        ({"a": False, "b": False}, "applied", 204),
        (None, "ignored", 204),
    ],
)
async def test_closing_is_a_404_only_where_stream_and_storage_know_no_such_thread(
    known: dict[str, bool] | None, outcome: str, status: int
) -> None:
    assert (await close_of(known, outcome)).status == status


async def test_a_404_names_the_threads() -> None:
    answer = await close_of({"a": False, "b": False}, "ignored")

    assert answer.json == {"code": 404, "message": "Thread not found: a, b"}


async def test_closing_what_is_not_open_is_fine_where_nobody_can_tell_whether_it_exists() -> None:
    memory = MemoryGateway()
    memory.replies.decide = lambda _: "ignored"

    assert (await call(memory.app, "PUT", f"{BASE}/close", {"thread_id": "t"})).status == 204


async def test_a_score_of_a_thread_is_a_command_that_carries_the_score() -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, "PUT", SCORES, {"scores": [a_score(reason="ok", author="ann")]})

    assert answer.status == 204
    [record] = memory.producer.of(TRACES)
    assert (kind_of(record), threads_of([record])) == ("score", [ThreadRef("default", ZOO, "t")])
    command = COMMAND_DECODER.decode(record.value or b"")
    score = command.score
    assert score is not None
    assert (score.entity_type, score.entity_id) == ("thread", thread_model_id(ZOO, "t"))
    assert (score.event, score.name, str(score.value), score.source) == ("set", "csat", "0.900000000", "sdk")
    assert (score.thread_id, score.project_id, score.project_name) == ("t", ZOO, "zoo")
    assert (score.reason, score.author, score.version_us) == ("ok", "ann", RECEIVED_AT_US)
    assert (score.session_id, score.decided_offset, command.project_name) == (None, None, "zoo")


async def test_scores_of_active_threads_are_opiks_409_with_sorted_ids_and_the_others_are_asked_all_the_same() -> None:
    memory = MemoryGateway()
    memory.replies.decide = active("b", "a")

    answer = await call(
        memory.app, "PUT", SCORES, {"scores": [a_score("b"), a_score("c"), a_score("a"), a_score("b", name="x")]}
    )

    assert (answer.status, answer.json) == (
        409,
        {"code": 409, "message": "Threads must be closed before scoring. Thread IDs are active: '[a, b]'"},
    )
    assert [thread.thread_id for thread in threads_of(memory.producer.of(TRACES))] == ["b", "c", "a", "b"]


async def test_a_bad_score_is_set_aside_and_the_good_ones_are_decided() -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, "PUT", SCORES, {"scores": [a_score(" "), a_score("c"), a_score(value=None)]})

    assert (answer.status, answer.headers["x-threadline-set-aside"]) == (204, "2")
    assert [thread.thread_id for thread in threads_of(memory.producer.of(TRACES))] == ["c"]
    assert [reason for reason, _ in memory.producer.set_aside()] == [
        "thread_id must not be blank",
        "value: Expected `decimal`, got `null`",
    ]


async def test_only_bad_scores_are_unprocessable() -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, "PUT", SCORES, {"scores": [a_score(None), a_score(name="")]})

    assert (answer.status, answer.json) == (
        422,
        {"errors": ["scores[0]: thread_id: Expected `str`, got `null`; scores[1]: name must not be blank"]},
    )
    assert memory.producer.counts() == {}


async def test_a_stream_that_does_not_decide_is_a_429() -> None:
    memory = MemoryGateway(command_timeout_seconds=0.01, retry_after_seconds=3)
    memory.replies.decide = lambda _: None

    answer = await call(memory.app, "PUT", SCORES, {"scores": [a_score()]})

    assert (answer.status, answer.headers["retry-after"], answer.headers["ratelimit-reset"]) == (429, "3", "3")


async def test_deleting_scores_of_a_thread_is_a_command_for_each_name() -> None:
    memory = MemoryGateway()
    body = {"project_name": "zoo", "thread_id": "t", "names": ["a", "b", "a"], "author": "ann"}

    answer = await call(memory.app, "POST", f"{SCORES}/delete", body)

    assert answer.status == 204
    records = memory.producer.of(TRACES)
    assert [kind_of(record) for record in records] == ["unscore", "unscore"]
    scores = [COMMAND_DECODER.decode(record.value or b"").score for record in records]
    assert [(score.event, score.name, score.author, score.value) for score in scores if score] == [
        ("delete", "a", "ann", None),
        ("delete", "b", "ann", None),
    ]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"thread_id": "t", "names": []}, 422, "names must have 1 to 1000 items, not 0"),
        ({"thread_id": "t", "names": [" "]}, 400, "name must not be blank"),
        ({"thread_id": "", "names": ["a"]}, 400, "thread_id must not be blank"),
        ({"thread_id": "t"}, 400, "names is required"),
    ],
)
async def test_deleting_scores_of_nothing_is_refused_by_name(body: Any, status: int, error: str) -> None:
    answer = await call(MemoryGateway().app, "POST", f"{SCORES}/delete", body)

    assert (answer.status, answer.json) == (status, {"errors": [error]})
