from typing import Any
from uuid import UUID

import msgspec
import pytest

from pipeline.events.envelope import SCHEMA_VERSION_HEADER
from pipeline.events.identity import ThreadRef, project_id, thread_key
from pipeline.events.traces import TRACE_DECODER
from pipeline.topics import DEAD_LETTERS, TRACES
from tests.support.asgi import call
from tests.support.gateway import RECEIVED_AT_US, MemoryGateway, kind_of

BASE = "/api/v1/private/traces"
ID = "01a20291-4e23-79d3-b51f-45571d067e96"
START = "2023-11-14T22:13:20Z"
START_US = 1_700_000_000_000_000
PROJECT = project_id("default", "zoo")
ALWAYS = {"workspace": "default", "received_at_us": RECEIVED_AT_US}


def a_trace(**fields: Any) -> dict[str, Any]:
    return {"id": ID, "start_time": START, **fields}


async def row_of(trace: dict[str, Any] | bytes) -> dict[str, Any]:
    """Return the row that a batch of this one trace becomes, without what every row has."""
    memory = MemoryGateway()
    body = b'{"traces":[' + trace + b"]}" if isinstance(trace, bytes) else {"traces": [trace]}
    answer = await call(memory.app, "POST", f"{BASE}/batch", body)
    assert answer.status == 204, answer
    assert memory.producer.set_aside() == []
    [row] = memory.producer.rows(TRACES)
    assert {name: row.pop(name) for name in ("workspace", "received_at_us")} == ALWAYS
    return row


async def test_a_trace_with_everything_is_one_row_with_everything() -> None:
    row = await row_of(
        a_trace(
            project_name=" Zoo ",
            name="chat",
            end_time="2023-11-14T22:13:21.5Z",
            input="What is Opik?",
            output={"assistant": "..."},
            metadata={"k": 1},
            tags=["b", "a", "b"],
            error_info={"exception_type": "E", "traceback": "t"},
            last_updated_at="2023-11-14T22:13:22Z",
            thread_id="55d84",
            ttft=12.5,
            source="sdk",
            environment="prod",
        )
    )

    assert row == {
        "event": "create",
        "id": ID,
        "version_us": START_US + 2_000_000,
        "project_id": str(PROJECT),
        "project_name": "Zoo",
        "thread_id": "55d84",
        "name": "chat",
        "start_time_us": START_US,
        "end_time_us": START_US + 1_500_000,
        "input": '"What is Opik?"',
        "output": '{"assistant": "..."}',
        "metadata": '{"k": 1}',
        "tags_reset": True,
        "tags_added": ["b", "a"],
        "error_info": '{"exception_type": "E", "traceback": "t"}',
        "ttft": 12.5,
        "source": "sdk",
        "environment": "prod",
    }


BARE = {"event": "create", "id": ID, "version_us": RECEIVED_AT_US, "start_time_us": START_US}


@pytest.mark.parametrize(
    ("fields", "row"),
    [
        ({}, {}),
        (dict.fromkeys(("project_name", "name", "end_time", "input", "output", "metadata", "tags", "error_info")), {}),
        (dict.fromkeys(("thread_id", "ttft", "source", "environment", "last_updated_at", "project_id")), {}),
        ({"thread_id": "  "}, {}),
        ({"project_name": ""}, {}),
        ({"unknown": {"deep": [1]}, "type": "x"}, {}),
        ({"tags": []}, {"tags_reset": True}),
        ({"input": [], "output": 0, "metadata": False}, {"input": "[]", "output": "0", "metadata": "false"}),
        ({"name": ""}, {"name": ""}),
        ({"ttft": 3}, {"ttft": 3.0}),
        ({"project_id": str(PROJECT)}, {"project_id": str(PROJECT)}),
        ({"id": "01A202914E2379D3B51F45571D067E96"}, {}),
        ({"last_updated_at": "2023-11-14T23:13:20+01:00"}, {"version_us": START_US}),
        ({"last_updated_at": "1970-01-01T00:00:00Z"}, {"version_us": 0}),
    ],
)
async def test_what_a_create_may_leave_out_or_say_oddly(fields: dict[str, Any], row: dict[str, Any]) -> None:
    assert await row_of(a_trace(**fields)) == {**BARE, **row}


async def test_payloads_are_the_producers_bytes_but_for_needless_escapes() -> None:
    payload = b'{ "b":1.00,\t"a":1e5, "b":"\\u00e9\\/\\u0022" }'
    row = await row_of(b'{"id":"%b","start_time":"%b","input":%b}' % (ID.encode(), START.encode(), payload))

    assert row["input"] == payload.decode().replace("\\u00e9", "é")


@pytest.mark.parametrize(
    ("escaped", "name", "payload"),
    [
        (rb"a\u0000b", "a\ufffdb", '"a\ufffdb"'),
        (rb"\ud800", "\ufffd", '"\ufffd"'),
        (rb"\ud83d\ude00", "\U0001f600", '"\U0001f600"'),
        (b"a\0b", "a\ufffdb", '"a\ufffdb"'),
        (b"\xff", "\ufffd", '"\ufffd"'),
        (rb"\\u0000", r"\u0000", r'"\\u0000"'),
    ],
)
async def test_what_cannot_be_stored_is_replaced_and_never_refused(escaped: bytes, name: str, payload: str) -> None:
    row = await row_of(
        b'{"id":"%b","start_time":"%b","name":"%b","input":"%b"}' % (ID.encode(), START.encode(), escaped, escaped)
    )

    assert (row["name"], row["input"]) == (name, payload)


async def test_a_trace_without_id_gets_one() -> None:
    row = await row_of({"start_time": START})

    assert UUID(row["id"]).version == 7


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"id": ID}, "start_time is required"),
        (a_trace(start_time=None), "start_time: Expected `datetime`, got `null`"),
        (a_trace(start_time="yesterday"), "start_time: Invalid RFC3339 encoded datetime"),
        (a_trace(start_time="2300-01-01T00:00:00Z"), "start_time must be from 1970 on and before 2300"),
        (a_trace(end_time="1969-01-01T00:00:00Z"), "end_time must be from 1970 on and before 2300"),
        (a_trace(last_updated_at="9999-01-01T00:00:00Z"), "last_updated_at must be from 1970 on and before 2300"),
        (a_trace(id="not-a-uuid"), "id: Invalid UUID"),
        (a_trace(id=""), "id: Invalid UUID"),
        (a_trace(id=7), "id: Expected `uuid | null`, got `int`"),
        (a_trace(name=7), "name: Expected `str | null`, got `int`"),
        (a_trace(tags="a"), "tags: Expected `array | null`, got `str`"),
        (a_trace(tags=["a", None]), "tags[1]: Expected `str`, got `null`"),
        (a_trace(ttft="fast"), "ttft: Expected `float | null`, got `str`"),
        (a_trace(thread_id=5), "thread_id: Expected `str | null`, got `int`"),
        (a_trace(thread_id="x" * 5000), "thread_id is longer than 4096 bytes"),
        (a_trace(project_name="x" * 5000), "project_name is longer than 4096 bytes"),
        ("trace", "Expected `object`, got `str`"),
    ],
)
async def test_a_bad_trace_is_set_aside_and_its_batch_taken(item: object, reason: str) -> None:
    memory = MemoryGateway()

    answer = await call(memory.app, "POST", f"{BASE}/batch", {"traces": [a_trace(), item, a_trace(name="b")]})

    assert (answer.status, answer.headers["x-threadline-set-aside"]) == (204, "1")
    assert [row.get("name") for row in memory.producer.rows(TRACES)] == [None, "b"]
    [(given, original)] = memory.producer.set_aside()
    assert given == reason
    assert msgspec.json.decode(original) == item
    [letter] = memory.producer.rows(DEAD_LETTERS)
    assert (letter["stage"], letter["topic"]) == ("gateway", "traces")


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (a_trace(start_time=5), 400, "start_time: Expected `datetime`, got `int`"),
        (b"", 400, "not JSON: Input data was truncated"),
        (b"[]", 400, "Expected `object`, got `array`"),
        (a_trace(input="x" * 2000), 413, "too large: the event has 2,"),
    ],
)
async def test_a_single_bad_trace_is_refused_and_nothing_stored(body: Any, status: int, error: str) -> None:
    memory = MemoryGateway(event_bytes_max=2000)

    answer = await call(memory.app, "POST", BASE, body)

    assert answer.status == status
    assert answer.json["errors"][0].startswith(error)
    assert memory.producer.counts() == {}


async def test_an_item_too_large_is_set_aside_by_name() -> None:
    memory = MemoryGateway(event_bytes_max=20_000)

    answer = await call(memory.app, "POST", f"{BASE}/batch", {"traces": [a_trace(input="x" * 30_000), a_trace()]})

    assert answer.status == 204
    assert len(memory.producer.rows(TRACES)) == 1
    [(reason, _)] = memory.producer.set_aside()
    assert reason.startswith("too large: the event has 30,")


async def test_a_patch_is_versioned_by_receipt_and_says_only_what_it_says() -> None:
    memory = MemoryGateway()
    patch = {
        "project_name": "zoo", "end_time": START, "thread_id": "t", "tags_to_add": ["x"], "tags_to_remove": ["y"],
        "last_updated_at": "1999-01-01T00:00:00Z", "start_time": "1999-01-01T00:00:00Z",
    }  # fmt: skip

    answer = await call(memory.app, "PATCH", f"{BASE}/{ID.upper()}", patch)

    assert answer.status == 204
    assert memory.producer.rows(TRACES) == [
        {
            **ALWAYS, "event": "patch", "id": ID, "version_us": RECEIVED_AT_US, "project_id": str(PROJECT),
            "project_name": "zoo", "thread_id": "t", "end_time_us": START_US, "tags_added": ["x"],
            "tags_removed": ["y"],
        }
    ]  # fmt: skip


async def test_deletions_are_tombstones() -> None:
    memory = MemoryGateway()

    one = await call(memory.app, "DELETE", f"{BASE}/{ID}")
    many = await call(memory.app, "POST", f"{BASE}/delete", {"ids": [str(UUID(int=5)), str(UUID(int=6))]})

    assert (one.status, many.status) == (204, 204)
    assert [(row["event"], row["id"]) for row in memory.producer.rows(TRACES)] == [
        ("delete", ID), ("delete", str(UUID(int=5))), ("delete", str(UUID(int=6))),
    ]  # fmt: skip


async def test_an_id_to_delete_that_is_none_is_refused() -> None:
    answer = await call(MemoryGateway().app, "DELETE", f"{BASE}/none")

    assert (answer.status, answer.json) == (400, {"errors": ["id in the path must be a UUID, not 'none'"]})


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({}, ID.encode()),
        ({"project_name": "zoo"}, ID.encode()),
        ({"thread_id": "t", "project_name": "Zoo"}, thread_key(ThreadRef("acme", project_id("acme", "zoo"), "t"))),
        ({"thread_id": "t"}, thread_key(ThreadRef("acme", project_id("acme", "Default Project"), "t"))),
    ],
)
async def test_the_key_is_the_thread_where_it_is_known_else_the_trace(fields: dict[str, Any], key: bytes) -> None:
    memory = MemoryGateway()

    await call(
        memory.app, "POST", f"{BASE}/batch", {"traces": [a_trace(**fields)]}, headers={"Comet-Workspace": "acme"}
    )

    [record] = memory.producer.of(TRACES)
    assert (record.key, kind_of(record), record.headers[1]) == (key, "trace", SCHEMA_VERSION_HEADER)
    assert TRACE_DECODER.decode(record.value or b"").workspace == "acme"
