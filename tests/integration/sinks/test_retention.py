"""Months that are over go as whole parts; who keeps a month longer, and what is of no month, is not harmed."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.sinks.retention import Dropped, Reach, drop_expired
from pipeline.sinks.thread_fold import OF_THREADS
from pipeline.topics import STORED
from tests.support.folding import Database
from tests.support.searching import emptied, rows_that_say
from tests.support.stored import Log

DAYS = {"*": 30, "patient": 365}
BEGIN = 5
"""The first offset that Kafka still has."""


def at(month: int, day: int = 15) -> int:
    return int(datetime(2026, month, day, tzinfo=UTC).timestamp()) * 1_000_000


NOW_US = at(4, 10)
"""Thirty days before that is in March: January and February are over."""


@pytest.fixture
def client(database: Database) -> ClickHouse:
    database.run(emptied(database.client))
    return database.client


def turn(log: Log, thread_id: str, month: int, identity: UUID | None = None) -> UUID:
    """Say a trace with a span, scores and remarks in the middle of a month, in which everything names the month."""
    log.now_us = max(log.now_us % 1_000_000, at(month) + log.offset * 1_000_000)
    word = f"month {month}"
    trace = log.trace(thread_id, id=identity, input={"text": word}, output={"text": word}, name=word)
    span = log.span(trace, input={"text": word}, name=word)
    for kind, entity in (("trace", trace), ("span", span)):
        log.score(kind, entity, "mood", "0.5", reason=word)
        log.annotate(kind, entity, "comment", text=word, comment_id=entity)
    return trace


def lives(log: Log, thread_id: str, word: str) -> None:
    """Say what belongs to a thread as such."""
    log.opened(thread_id, log.offset)
    log.score("thread", log.model(thread_id), "mood", "0.5", reason=word)
    log.annotate("thread", log.model(thread_id), "comment", text=word, comment_id=log.model(thread_id))
    log.closed(thread_id, log.offset - 3, log.offset)


async def expire(client: ClickHouse, log: Log, now_us: int = NOW_US) -> Dropped:
    reaches = {topic.name: Reach(log.log_id, [BEGIN]) for topic in STORED}
    return await drop_expired(client, DAYS, reaches, now_us=now_us)


async def parts_of(client: ClickHouse, month: str) -> set[str]:
    """Return the tables that have a part of that month."""
    rows = await client.rows(
        "SELECT DISTINCT table FROM system.parts WHERE active AND rows > 0 AND partition_id = {month:String} "
        "AND database = currentDatabase()",
        {"month": month},
    )
    return {row["table"] for row in rows}


async def threads(client: ClickHouse) -> dict[str, int]:
    """Return how many traces each thread has; nothing is left behind in the places where threads stood before."""
    by_id, in_order = [
        {
            row["thread_id"]: row["traces"]
            for row in await client.rows(
                "SELECT thread_id, traces FROM {table} FINAL ORDER BY ALL".replace("{table}", table)
            )
        }
        for table in ("threads", "threads_by_first_trace")
    ]
    assert in_order == by_id
    return by_id


def test_a_month_goes_when_its_workspace_is_done_with_it(database: Database, client: ClickHouse) -> None:
    database.run(scenario_of_months(client))


async def scenario_of_months(client: ClickHouse) -> None:
    hasty, patient = Log("hasty"), Log("patient")
    patient.offset = 10_000  # its ids are made of offsets
    turn(hasty, "old", 1)
    lives(hasty, "old", "month 1")
    turn(hasty, "long", 1)
    turn(hasty, "long", 2)
    turn(hasty, "long", 3)
    lives(hasty, "long", "of a thread that goes on")
    turn(patient, "kept", 2)
    lives(patient, "kept", "month 2")
    for log in (hasty, patient):
        await log.store(client)
    assert await threads(client) == {"kept": 1, "long": 3, "old": 1}
    kept = await rows_of(client, "patient")

    dropped = await expire(client, hasty)

    # January is nobody's any more, February only one's.
    assert dropped.partitions == 7
    assert await parts_of(client, "202601") == set()
    assert {"trace_events", "traces", "spans", "score_events"} <= await parts_of(client, "202602")
    assert await rows_that_say(client, "month 1") == {}
    assert {
        row["workspace"] for row in await client.rows("SELECT workspace FROM trace_events WHERE position(input, '2')")
    } == {"patient"}
    assert await rows_of(client, "patient") == kept
    assert await threads(client) == {"kept": 1, "long": 1}
    assert (await rows_that_say(client, "of a thread that goes on")).keys() == {"score_events", "annotation_events"}
    assert "old" not in repr(
        await client.rows("SELECT thread_id FROM thread_sessions UNION ALL SELECT thread_id FROM thread_ids")
    )

    # What Kafka still has is not taken for lost.
    places = await client.rows(
        "SELECT topic, min(log_offset) AS first, any(reason) AS why FROM deleted_places GROUP BY topic"
    )
    assert {row["topic"] for row in places} == {"traces", "spans", "scores", "annotations", "threads"}
    assert all(row["first"] >= BEGIN and row["why"] == "retention" for row in places)

    # Nothing more to do, until the next month is over; then Kafka has nothing of it either.
    assert await expire(client, hasty) == Dropped()
    later = {topic.name: Reach(hasty.log_id, [100_000]) for topic in STORED}
    assert (await drop_expired(client, DAYS, later, now_us=at(5, 5))).partitions == 7
    assert await threads(client) == {"kept": 1}
    assert await client.rows("SELECT * FROM deleted_places") == []


async def rows_of(client: ClickHouse, workspace: str) -> dict[str, list[dict[str, Any]]]:
    tables = ("trace_events", "traces", *OF_THREADS, "spans", "score_events", "annotation_events", "thread_sessions")
    sql = "SELECT * FROM {table} FINAL WHERE workspace = {workspace:String} ORDER BY ALL"
    return {table: await client.rows(sql.replace("{table}", table), {"workspace": workspace}) for table in tables}


def test_what_has_an_id_without_a_time_goes_when_it_was_not_heard_of_since(
    database: Database, client: ClickHouse
) -> None:
    database.run(scenario_of_no_time(client))


async def scenario_of_no_time(client: ClickHouse) -> None:
    log = Log("hasty")
    silent, heard_of = (UUID(f"6f1f7a5e-5a0c-8a53-8a53-7a1d2f0c9b1{number}") for number in range(2))
    turn(log, "otel", 1, silent)
    turn(log, "otel", 1, heard_of)
    log.now_us = at(3)
    log.trace(id=heard_of, event="patch", metadata={"late": True})
    await log.store(client)

    dropped = await expire(client, log)

    assert dropped.partitions == 1, "scores of spans, whose ids have a time"
    assert dropped.rows > 0
    assert [row["id"] for row in await client.rows("SELECT id FROM traces FINAL")] == [heard_of]
    assert await threads(client) == {"otel": 1}
    assert await expire(client, log) == Dropped()


def test_without_days_everything_is_kept(database: Database, client: ClickHouse) -> None:
    async def scenario() -> None:
        log = Log("hasty")
        turn(log, "old", 1)
        await log.store(client)
        assert await drop_expired(client, {}, {}, now_us=NOW_US) == Dropped()
        assert await threads(client) == {"old": 1}

    database.run(scenario())
