"""Threads that were open when the changelog, or the whole log, was lost: they are closed all the same, once."""

import asyncio
import json
import os
import urllib.request
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.kafka.admin import read_log_ids
from pipeline.adapters.kafka.producer import EventProducer
from pipeline.adapters.kafka.reader import read_from_start
from pipeline.events.identity import session_id
from pipeline.events.traces import TraceEvent
from pipeline.settings import KafkaSettings
from pipeline.sinks.reconciliation import balance_all
from pipeline.stream.table import CHANGELOG
from pipeline.stream.thread_state import extent_of, read
from pipeline.topics import STORED, TRACES
from tests.apache_kafka.broker import ApacheKafka
from tests.support.clickhouse import ClickHouseProcess
from tests.support.command import RunningStage, migrate, run_command
from tests.support.running import RunningStack
from tests.support.stored import Log, uuid7_at
from tests.support.waiting import eventually, wait_until

ACTIVE_SECONDS = 20  # within it a thread must be seen active, on a machine that does other things too
TIMEOUT = "OPIK_TRACE_THREAD_TIMEOUT_TO_MARK_AS_INACTIVE"


def kafka_of(environment: Mapping[str, str]) -> KafkaSettings:
    return KafkaSettings(
        bootstrap=environment["THREADLINE_KAFKA_BOOTSTRAP"],
        partitions=int(environment["THREADLINE_KAFKA_PARTITIONS"]),
        last_record_alone=environment["THREADLINE_KAFKA_LAST_RECORD_ALONE"] == "true",
    )


def storage_of(environment: Mapping[str, str]) -> ClickHouse:
    process = ClickHouseProcess(Path(), int(environment["THREADLINE_CLICKHOUSE_PORT"]))
    return ClickHouse(process.settings)


async def states(kafka: KafkaSettings, count: int) -> dict[bytes, bytes | None]:
    """Return what the changelog holds once it holds `count` keys."""
    found: dict[bytes, bytes | None] = {}
    records = read_from_start(kafka, CHANGELOG)
    try:
        async with asyncio.timeout(120):
            async for run in records:
                found |= {record.key: record.value for record in run if record.key}
                if len(found) >= count:
                    break
    finally:
        await records.aclose()
    return found


async def sessions(client: ClickHouse) -> list[dict[str, Any]]:
    """Return the thread events that are stored, in the order of sessions, opened before closed; a repeated one once."""
    return await client.rows(
        "SELECT DISTINCT event, session_id, session_log_id, first_offset, last_offset, last_log_id, activities, "
        "opened_at_us, last_activity_at_us, closed_at_us FROM thread_events "
        "ORDER BY toUInt128(session_log_id), first_offset, event"
    )


async def reseeded(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Run the command and return what it made of each partition."""
    code, said = await run_command(environment, "reseed", "--json")
    assert code == 0, said
    return list(json.loads(said))


async def test_in_a_new_log_the_session_of_the_lost_one_is_closed(environment: Mapping[str, str]) -> None:
    kafka, lost = kafka_of(environment), Log("default")
    await migrate(environment)
    code, said = await run_command(environment, "reseed")
    assert (code, said.strip()) == (0, "nothing to do: storage knows of no open thread and of no setting")
    lost.trace("t")  # offset 0
    lost.opened("t", 0)
    lost.trace("t")  # offset 2
    lost.trace("nobody told")  # offset 3
    async with storage_of(environment) as client:
        await lost.store(client)
        made = [await reseeded(environment) for _ in range(2)]
        assert made[0] == made[1]
        counts = {name: sum(partition[name] for partition in made[0]) for name in made[0][0]}
        assert (counts["threads"], counts["carried"], counts["openings_told"], counts["offset"]) == (2, 2, 1, 0)

        kept = await states(kafka, 2)
        log_id = (await read_log_ids(kafka))[TRACES.name]
        extents = [extent_of(read(value or b""), log_id=log_id, partition=0) for value in kept.values()]
        assert {extent[:3] for extent in extents} == {(lost.log_id, 0, 0), (lost.log_id, 0, 3)}

        worker = await RunningStage.start(environment | {TIMEOUT: "3s"}, "worker")
        sink = await RunningStage.start(environment | {"THREADLINE_OPERATION_PORT": "0"}, "sink")
        stored = await eventually(lambda: sessions(client), lambda rows: len(rows) == 4)
        assert (await worker.drain(), await sink.drain()) == (0, 0)

    assert [(row["event"], row["session_id"], row["last_offset"]) for row in stored] == [
        ("opened", session_id(lost.log_id, 0, 0), 0),
        ("closed", session_id(lost.log_id, 0, 0), 2),
        ("opened", session_id(lost.log_id, 0, 3), 3),
        ("closed", session_id(lost.log_id, 0, 3), 3),
    ]
    assert {row["last_log_id"] for row in stored} == {lost.log_id}


def api(stack: RunningStack, method: str, path: str, body: object) -> Any:
    request = urllib.request.Request(  # noqa: S310
        f"{stack.base_url}/api/v1/private/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"},
        method=method,
    )  # fmt: skip
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


def log_a_turn(stack: RunningStack) -> None:
    api(stack, "POST", "traces/batch", {"traces": [{
        "name": "turn", "thread_id": "t", "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:01Z",
        "input": {"text": "?"}, "output": {"text": "!"},
    }]})  # fmt: skip


def status(stack: RunningStack) -> str:
    found = api(stack, "POST", "traces/threads/search", {"project_name": "Default Project"})
    return "" if found is None else str(found["status"])


def stored_sessions(data_dir: Path) -> list[dict[str, Any]]:
    """Return what a stack that is stopped has stored of sessions."""

    async def look() -> list[dict[str, Any]]:
        process = ClickHouseProcess(data_dir / "clickhouse")
        await process.start()
        try:
            async with ClickHouse(process.settings) as client:
                return await sessions(client)
        finally:
            await process.kill()

    return asyncio.run(look())


def test_a_thread_that_was_active_at_control_c_is_closed_after_the_next_start(tmp_path: Path) -> None:
    with RunningStack(tmp_path, "--thread-timeout", f"{ACTIVE_SECONDS}s") as stack:
        log_a_turn(stack)
        wait_until(lambda: status(stack), lambda found: found == "active")
    [opened] = stored_sessions(tmp_path)
    assert opened["event"] == "opened"

    with RunningStack(tmp_path, "--thread-timeout", f"{ACTIVE_SECONDS}s") as stack:
        wait_until(lambda: status(stack), lambda found: found == "inactive")
        log_a_turn(stack)
        wait_until(lambda: status(stack), lambda found: found == "active")
    first, closed, again = stored_sessions(tmp_path)
    assert first == opened
    assert (closed["event"], closed["session_id"]) == ("closed", opened["session_id"])
    assert closed["closed_at_us"] == opened["last_activity_at_us"] + ACTIVE_SECONDS * 1_000_000, (
        "its deadline, though nobody was there"
    )
    assert (again["event"], again["session_log_id"] > opened["session_log_id"]) == ("opened", True)


@pytest_asyncio.fixture
async def on_apache_kafka(tmp_path: Path) -> AsyncIterator[Mapping[str, str]]:
    """Yield the environment of commands with a broker that keeps its logs, and what groups have committed."""
    broker = ApacheKafka(tmp_path / "kafka")
    clickhouse = ClickHouseProcess(tmp_path / "clickhouse")
    try:
        await asyncio.gather(broker.start(), clickhouse.start())
        yield {
            **os.environ,
            TIMEOUT: "1h",
            "PYTHONUNBUFFERED": "1",
            "THREADLINE_KAFKA_BOOTSTRAP": broker.bootstrap,
            "THREADLINE_KAFKA_PARTITIONS": "2",
            "THREADLINE_KAFKA_LAST_RECORD_ALONE": "false",
            "THREADLINE_CLICKHOUSE_PORT": str(clickhouse.settings.port),
            "THREADLINE_OPERATION_PORT": "0",
        }
    finally:
        await RunningStage.kill_all()
        await clickhouse.kill()
        await broker.kill()


def turn(log: Log, number: int, thread_id: str = "t") -> TraceEvent:
    now_us = log.now_us + number
    return TraceEvent(
        workspace="default", version_us=now_us, received_at_us=now_us, id=uuid7_at(now_us, number), event="create",
        project_id=log.project, project_name=log.project_name, thread_id=thread_id,
    )  # fmt: skip


@pytest.mark.apache_kafka
async def test_in_the_same_log_a_lost_changelog_changes_nothing_of_what_is_said(
    on_apache_kafka: Mapping[str, str],
) -> None:
    environment, log = on_apache_kafka, Log("default")
    kafka = kafka_of(environment)
    await migrate(environment)
    worker, sink = [await RunningStage.start(environment, name) for name in ("worker", "sink")]
    async with storage_of(environment) as client, EventProducer(kafka, client_id="test") as producer:
        await producer.publish(TRACES, [turn(log, number).record() for number in range(3)])
        [opened] = await eventually(lambda: sessions(client), bool)
        code, said = await run_command(environment, "reseed")
        assert (code, "members are in the group" in said) == (1, True), said
        await worker.drain()
        await delete_topics(kafka, CHANGELOG.name)

        made = [await reseeded(environment) for _ in range(2)]
        assert made[0] == made[1]
        [seeded] = [partition for partition in made[0] if partition["threads"]]
        assert (seeded["threads"], seeded["carried"], seeded["openings_told"]) == (1, 0, 0)
        assert seeded["offset"] > opened["first_offset"]

        await producer.publish(TRACES, [turn(log, 3).record()])
        worker = await RunningStage.start(environment | {TIMEOUT: "1s"}, "worker")
        again, closed = await eventually(lambda: sessions(client), lambda rows: len(rows) > 1)
        assert (await worker.drain(), await sink.drain()) == (0, 0)
    assert again == opened
    assert (closed["event"], closed["session_id"], closed["activities"]) == ("closed", opened["session_id"], 4)
    assert (closed["opened_at_us"], closed["last_log_id"]) == (opened["opened_at_us"], opened["session_log_id"])


@pytest.mark.apache_kafka
async def test_sessions_survive_a_planned_pause_in_which_the_logs_are_made_anew_with_more_partitions(
    on_apache_kafka: Mapping[str, str],
) -> None:
    """The steps are those of deploy/operations.md."""
    environment, log, threads = on_apache_kafka, Log("default"), [f"conversation {number}" for number in range(8)]
    await migrate(environment)
    worker, sink = [await RunningStage.start(environment, name) for name in ("worker", "sink")]
    async with storage_of(environment) as client:
        async with EventProducer(kafka_of(environment), client_id="test") as producer:
            await producer.publish(TRACES, [turn(log, n, thread).record() for n, thread in enumerate(threads)])
        opened = await eventually(lambda: sessions(client), lambda rows: len(rows) == len(threads))
        assert {row["event"] for row in opened} == {"opened"}
        assert (await worker.drain(), await sink.drain()) == (0, 0)

        await delete_topics(kafka_of(environment), *(topic.name for topic in STORED), CHANGELOG.name)
        environment = environment | {"THREADLINE_KAFKA_PARTITIONS": "5"}
        for command in ("migrate", "reseed"):
            code, said = await run_command(environment, command)
            assert code == 0, said
        # The others fall silent, and these go on.
        goes_on = threads[:3]
        async with EventProducer(kafka_of(environment), client_id="test") as producer:
            await producer.publish(TRACES, [turn(log, 100 + n, thread).record() for n, thread in enumerate(goes_on)])
        worker, sink = [await RunningStage.start(environment | {TIMEOUT: "1s"}, name) for name in ("worker", "sink")]
        told = await eventually(lambda: sessions(client), lambda rows: len(rows) == 2 * len(threads))
        assert (await worker.drain(), await sink.drain()) == (0, 0)
        balances = await balance_all(kafka_of(environment), client)

    closed = [row for row in told if row["event"] == "closed"]
    assert {row["session_id"] for row in closed} == {row["session_id"] for row in opened}
    assert sorted(row["activities"] for row in closed) == [1] * (len(threads) - len(goes_on)) + [2] * len(goes_on)
    assert {(balance.gap, balance.pending) for balance in balances} == {(0, 0)}


async def delete_topics(kafka: KafkaSettings, *names: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.delete_topics(list(names))
    finally:
        await admin.close()
