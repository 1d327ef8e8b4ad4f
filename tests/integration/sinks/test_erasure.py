"""A thread is erased from real tables: nothing that was said in it is found, and its neighbours say what they said."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.events.dead_letters import DeadLetter, text_of
from pipeline.events.identity import ThreadRef, thread_key
from pipeline.sinks import erasure
from tests.support.folding import Database
from tests.support.searching import emptied, rows_that_say
from tests.support.stored import Log

SECRET = "s3cr3t"  # noqa: S105 - what must not be found
WORKSPACE = "erasure"


async def neighbours(client: ClickHouse) -> dict[str, list[dict[str, Any]]]:
    """Return all that is there of others, as it is read."""
    tables = ("trace_events", "traces", "threads", "span_events", "spans", "score_events", "annotation_events")
    return {
        table: [
            {name: value for name, value in row.items() if name != "events"}
            for row in await client.rows(f"SELECT * FROM {table} FINAL ORDER BY ALL")  # noqa: S608
            if SECRET not in repr(row) and row.get("event") != "delete" and "gone" not in repr(row)
        ]
        for table in tables
    }


def talk(log: Log, thread_id: str, word: str, turns: int = 3) -> list[UUID]:
    """Say a thread in which everything carries `word`."""
    first = log.offset + 1
    traces = [log.trace(thread_id, input={"text": word}, output={"text": word}, name=word) for _ in range(turns)]
    log.trace(id=traces[0], event="patch", metadata={"user": word}, tags_added=(word,))
    spans = [log.span(trace, input={"text": word}, name=word) for trace in traces]
    log.opened(thread_id, first)
    log.score("trace", traces[0], "mood", "0.5", reason=word)
    log.score("span", spans[0], "mood", "0.5", reason=word)
    log.score("thread", log.model(thread_id), "mood", "0.5", reason=word, thread_id=thread_id)
    for kind, entity in (("trace", traces[0]), ("span", spans[0]), ("thread", log.model(thread_id))):
        log.annotate(kind, entity, "comment", text=word, comment_id=entity)
    log.closed(thread_id, first, log.offset)
    return traces


def letters(log: Log, thread_id: str, traces: Sequence[UUID]) -> list[bytes]:
    """Return rows of dead letters that hold what was said in a thread, in all the ways in which they can name it."""
    key = thread_key(ThreadRef(log.workspace, log.project, thread_id))
    values = [
        (b'{"no JSON": "' + SECRET.encode(), key),
        (f'{{"id": "{traces[0]}", "text": "{SECRET}"}}'.encode(), b""),
        (f'{{"thread_id": "{thread_id}", "project_name": " SUPPORT", "text": "{SECRET}"'.encode(), b""),
        (f'{{"thread_id": "{thread_id}", "project_name": "Sales", "text": "of another project"}}'.encode(), b""),
        (b'{"thread_id": "another", "text": "of another thread"}', b""),
    ]
    rows = []
    for number, (value, record_key) in enumerate(values):
        letter = DeadLetter(
            workspace=log.workspace, version_us=log.now_us, received_at_us=log.now_us, stage="sinks", reason="no row",
            topic="traces", origin_log_id=log.log_id, origin_partition=9, origin_offset=number,
            key=text_of(record_key), value=text_of(value),
        )  # fmt: skip
        place = (
            f'{{"log_id":"{log.log_id}","log_partition":7,"log_offset":{number},"appended_at_ms":{log.now_us // 1000},'
        )
        rows.append(place.encode() + msgspec.json.encode(letter)[1:])
    return rows


def command(log: Log, thread_id: str, kind: str, value: str) -> bytes:
    key = thread_key(ThreadRef(log.workspace, log.project, thread_id)).decode()
    log.offset += 1
    row = {
        "topic": "traces", "kind": kind, "key": key, "value": value, "log_id": str(log.log_id), "log_partition": 0,
        "log_offset": log.offset, "appended_at_ms": log.now_us // 1000,
    }  # fmt: skip
    return msgspec.json.encode(row)


async def erase(client: ClickHouse, log: Log, thread_id: str) -> dict[str, int]:
    """Erase as the command does, with the tombstones said straight into storage."""
    await erasure.draft(client, "plan1", [ThreadRef(log.workspace, log.project, thread_id)], [], at_us=log.now_us)
    counts = await erasure.count(client, "plan1")
    for trace in await erasure.traces_of(client, "plan1"):
        log.trace(id=trace.id, event="delete")
    await client.insert_lines("controls", [command(log, thread_id, "delete", "{}")], token=None)
    await log.store(client)
    await erasure.decree(client, "plan1")
    await erasure.forget(client, "plan1")
    # Letters of any age are looked into, since this is new.
    assert await erasure.sweep(client, since_ms=log.now_us) > counts["dead_letters"]
    return counts


@pytest.fixture
def client(database: Database) -> ClickHouse:
    database.run(emptied(database.client))
    return database.client


def test_nothing_of_an_erased_thread_is_found_and_its_neighbours_are_as_before(
    database: Database, client: ClickHouse
) -> None:
    database.run(scenario_of_one_thread(client))


async def scenario_of_one_thread(client: ClickHouse) -> None:
    log, elsewhere = Log(WORKSPACE), Log(WORKSPACE, "Sales")
    elsewhere.offset = 1000  # its ids are made of offsets
    traces = talk(log, "gone", SECRET)
    talk(log, "kept", "hello")
    moved_in = log.trace("kept", input={"text": SECRET})
    log.trace(id=moved_in, event="patch", thread_id="gone")
    moved_out = log.trace("gone", input={"text": "hello again"})
    log.trace(id=moved_out, event="patch", thread_id="kept")
    talk(elsewhere, "gone", "of another project")
    score = command(log, "gone", "score", f'{{"score":{{"reason":"{SECRET}"}}}}')
    for one in (log, elsewhere):
        await one.store(client)
    await client.insert_lines("controls", [score], token=None)
    await client.insert_lines("dead_letters", letters(log, "gone", traces), token=None)
    before = await neighbours(client)
    said = await rows_that_say(client, SECRET)
    assert said.keys() >= {
        "trace_events",
        "traces",
        "thread_previews",
        "spans",
        "score_events",
        "controls",
        "dead_letters",
    }

    counts = await erase(client, log, "gone")

    assert await rows_that_say(client, SECRET) == {}
    assert await neighbours(client) == before
    assert {table: counts[table] for table in ("trace_events", "span_events", "score_events", "dead_letters")} == {
        "trace_events": 6, "span_events": 3, "score_events": 3, "dead_letters": 3,
    }  # fmt: skip
    places = await client.rows(
        "SELECT topic, uniqExact(log_id, log_partition, log_offset) AS rows FROM deleted_places GROUP BY topic"
    )
    assert {row["topic"]: row["rows"] for row in places} == {
        "traces": 6 + 1 + 3, "spans": 3, "scores": 3, "annotations": 3, "threads": 2, "dead-letters": 3,
    }  # fmt: skip
    assert len(await client.rows("SELECT 1 FROM dead_letters")) == 2
    assert await erasure.sweep(client, since_ms=0) == 0


def test_what_comes_back_is_not_read_and_is_erased_again_and_new_turns_live(
    database: Database, client: ClickHouse
) -> None:
    database.run(scenario_of_a_return(client))


async def scenario_of_a_return(client: ClickHouse) -> None:
    log = Log(WORKSPACE)
    traces = talk(log, "gone", SECRET)
    said = list(log._events)
    await log.store(client)
    await erase(client, log, "gone")

    # Replayed, every event of it; and late: of a trace that is known, and of one that is not.
    log._events.extend(said)
    log.trace(id=traces[1], event="patch", output={"text": SECRET})
    log.trace("gone", version_us=log.now_us - 60_000_000, input={"text": SECRET})
    await log.store(client)
    assert (await rows_that_say(client, SECRET)).keys() >= {"trace_events"}
    read = await client.rows(
        "SELECT id FROM traces FINAL WHERE toUInt128(id) IN {ids:Array(UInt128)}", {"ids": [one.int for one in traces]}
    )
    assert read == []

    assert await erasure.sweep(client, since_ms=0) > 0
    assert await rows_that_say(client, SECRET) == {}
    assert await erasure.sweep(client, since_ms=0) == 0

    log.trace("gone", input={"text": "a new turn"})
    await log.store(client)
    assert await erasure.sweep(client, since_ms=0) == 0
    assert (await client.rows("SELECT traces FROM threads FINAL"))[0]["traces"] == 1
