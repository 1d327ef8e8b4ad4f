"""The example of a producer without the gateway, as a person runs it, and what becomes of faulty events."""

import json
import sys
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import aiohttp
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.identity import project_id
from pipeline.local.stack import Stack
from tests.support.programs import EXAMPLES, run_program
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROJECT = "Straight In"
STORED_SECONDS_MAX = 120.0
KIND = ("kind", b"trace")
VERSION = ("schema-version", b"1")
LETTERS = "SELECT reason, topic, value FROM dead_letters FINAL WHERE topic = 'traces' ORDER BY reason"


async def python_example(stack: Stack, thread_id: str, question: str, answer: str) -> str:
    options = ["--bootstrap", stack.kafka.bootstrap, "--project", PROJECT, "--thread", thread_id]
    return await run_program(sys.executable, str(EXAMPLES / "direct_producer.py"), *options, question, answer)


@pytest_asyncio.fixture(loop_scope="session")
async def session(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(stack.base_url) as session:
        yield session


async def retrieve(session: aiohttp.ClientSession, thread_id: str) -> dict[str, Any]:
    body = {"thread_id": thread_id, "project_name": PROJECT}
    async with session.post("/api/v1/private/traces/threads/retrieve", json=body) as answer:
        found: dict[str, Any] = await answer.json()
        return found if answer.status == 200 else {}


async def thread_with(session: aiohttp.ClientSession, thread_id: str, messages: int) -> dict[str, Any]:
    return await eventually(
        lambda: retrieve(session, thread_id),
        lambda seen: seen.get("number_of_messages") == messages and seen.get("status") == "active",
        seconds_max=STORED_SECONDS_MAX,
    )


async def test_a_conversation_that_python_wrote_reads_as_any_other(
    stack: Stack, session: aiohttp.ClientSession
) -> None:
    await python_example(stack, "by python", "What is Opik?", "A platform.")
    second = await python_example(stack, "by python", "And a thread?", "A conversation.")

    thread = await thread_with(session, "by python", 4)

    assert (thread["first_message"], thread["last_message"]) == (
        {"user": "What is Opik?"},
        {"assistant": "A conversation."},
    )
    assert thread["project_id"] == str(project_id("default", PROJECT))
    seen = await eventually(
        lambda: retrieve(session, "by python"),
        lambda seen: (seen.get("usage") or {}).get("total_tokens") == 22,
        seconds_max=STORED_SECONDS_MAX,
    )
    assert seen["usage"] == {"prompt_tokens": 14, "completion_tokens": 8, "total_tokens": 22}
    async with session.get(f"/api/v1/private/traces/{second}") as answer:
        assert (await answer.json())["thread_id"] == "by python"


async def test_faulty_events_are_set_aside_and_their_neighbours_are_stored(
    stack: Stack, session: aiohttp.ClientSession
) -> None:
    now = {"workspace": "default", "version_us": 1, "received_at_us": 1, "event": "create", "thread_id": "neighbours"}
    project = {"project_id": str(project_id("default", PROJECT)), "project_name": PROJECT}
    good = now | project
    faulty: list[tuple[bytes, list[tuple[str, bytes]]]] = [
        (b"not json", [KIND, VERSION]),
        (b"\xff\xfe\x00", [KIND, VERSION]),
        (b"", [KIND, VERSION]),
        (b"[]", [KIND, VERSION]),
        (json.dumps(good | {"id": "no uuid"}).encode(), [KIND, VERSION]),
        (json.dumps(good | {"id": str(UUID(int=7)), "unknown": 1}).encode(), [KIND, VERSION]),
        (json.dumps(good | {"id": str(UUID(int=8)), "version_us": "soon"}).encode(), [KIND, VERSION]),
        (json.dumps(good | {"id": str(UUID(int=9))}).encode() * 2, [KIND, VERSION]),
        (json.dumps(good | {"id": str(UUID(int=10))}).encode(), [("kind", b"what"), VERSION]),
        (json.dumps(good | {"id": str(UUID(int=11))}).encode(), []),
    ]
    key = f"thread\tdefault\t{project['project_id']}\tneighbours".encode()
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka.bootstrap, acks="all")
    await producer.start()
    try:
        for number, (value, headers) in enumerate(faulty):
            await producer.send_and_wait("traces", value, key=key, headers=headers)
            trace = json.dumps(good | {"id": str(UUID(int=1000 + number)), "start_time_us": 1}).encode()
            await producer.send_and_wait("traces", trace, key=key, headers=[KIND, VERSION])
    finally:
        await producer.stop()

    await thread_with(session, "neighbours", 2 * len(faulty))

    async with ClickHouse(stack.clickhouse) as storage:
        letters = await eventually(
            lambda: storage.rows(LETTERS), lambda rows: len(rows) >= len(faulty), seconds_max=STORED_SECONDS_MAX
        )
    assert len(letters) == len(faulty), letters
    assert all(letter["reason"] for letter in letters)
    async with session.get("/is-alive/ping") as answer:
        assert answer.status == 200
