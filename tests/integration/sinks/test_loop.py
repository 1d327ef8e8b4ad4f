"""The whole stage, against an oracle that folds the log: nothing lost, nothing doubled, nothing wrong."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import cycle
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat as uuids

from pipeline.adapters.kafka.admin import read_log_ids
from pipeline.events.annotations import AnnotationEvent
from pipeline.events.controls import Setting, tick_record
from pipeline.events.dead_letters import bytes_of
from pipeline.events.envelope import Record, headers_of
from pipeline.events.identity import project_id
from pipeline.events.scores import ScoreEvent
from pipeline.events.spans import SpanEvent
from pipeline.events.threads import ThreadEvent
from pipeline.events.traces import TRACE_DECODER, TraceEvent
from pipeline.topics import ANNOTATIONS, SCORES, SPANS, THREADS, TRACES
from tests.support.fold_oracle import Provenance, Stored, fold_traces
from tests.support.installation import Installation
from tests.support.waiting import eventually

NOW_US = 1_763_874_000_000_000
SEED = 7
PAUSE_SECONDS = 0.2
TRACE: dict[str, Any] = {"workspace": "default", "version_us": NOW_US, "received_at_us": NOW_US}


def traffic(traces: int, seed: int = SEED) -> list[TraceEvent]:
    """Return the events of some traces, each created and patched, some moved between threads, in a random order."""
    chance = random.Random(seed)
    events = []
    for number in range(traces):
        trace_id = uuids.uuid7()
        events.append(
            TraceEvent(
                **TRACE, id=trace_id, event="create", thread_id=f"t{number // 5}", name=f"turn {number}",
                project_id=project_id("default", "chat"), project_name="Chat", start_time_us=NOW_US + number,
                input=f'{{"text":"{"hallo " * chance.randrange(80)}"}}', tags_added=("new",),
            )
        )  # fmt: skip
        patch: dict[str, Any] = {
            "version_us": NOW_US + 1 + number % 3,
            "output": '"done"',
            "end_time_us": NOW_US + number + 7,
        }
        if number % 11 == 0:
            patch |= {"thread_id": "moved"}
        events.append(TraceEvent(**(TRACE | patch), id=trace_id, event="patch", tags_removed=("new",)))
    chance.shuffle(events)
    return events


@asynccontextmanager
async def publishing(installation: Installation, events: list[TraceEvent], *, at_once: int) -> AsyncIterator[None]:
    """Publish all events in the block, some at once, and over again for as long as it lasts.

    So what happens meanwhile is never too late to meet events, however slow the machine is.
    """
    is_over = asyncio.Event()
    shares = [events[start : start + at_once] for start in range(0, len(events), at_once)]

    async def publish() -> None:
        for number, share in enumerate(cycle(shares)):
            if is_over.is_set() and number >= len(shares):
                return
            await installation.publish(TRACES, [event.record() for event in share])
            await asyncio.sleep(PAUSE_SECONDS)

    async with asyncio.TaskGroup() as group:
        group.create_task(publish())
        yield
        is_over.set()


async def assert_stored_as_the_log_says(installation: Installation) -> None:
    """Compare every row of `traces` and `trace_events` with what the log of `traces` says."""
    log_id = (await read_log_ids(installation.kafka))[TRACES.name]
    stored = [
        Stored(
            TRACE_DECODER.decode(record.value), Provenance(log_id, record.partition, record.offset, record.timestamp)
        )
        for record in await installation.log(TRACES)
        if record.headers[0] == ("kind", b"trace")
    ]
    expected = {(row["workspace"], row["id"]): row for row in fold_traces(stored)}
    found = await installation.client.rows("SELECT * FROM traces FINAL")
    assert len(found) == len(expected)
    assert {(row["workspace"], row["id"]): row for row in found} == expected
    events = await installation.client.rows(
        "SELECT log_id, log_partition, log_offset, appended_at_ms, id, thread_id, input, output FROM trace_events FINAL"
    )
    assert sorted(tuple(row.values()) for row in events) == sorted(
        (*one.at, one.event.id, one.event.thread_id or "", one.event.input, one.event.output) for one in stored
    )


async def test_every_topic_ends_in_its_table(installation: Installation) -> None:
    thread = uuid.uuid4()
    shared: dict[str, Any] = {"workspace": "default", "version_us": 1, "received_at_us": 1}
    log_id = UUID(int=7 << 76 | 1)
    await installation.publish(TRACES, [event.record() for event in traffic(20)])
    await installation.publish(TRACES, [Setting(timeout_ms=1000).record(partition) for partition in range(4)])
    await installation.publish(TRACES, [tick_record(2)])
    await installation.publish(
        SPANS, [SpanEvent(**shared, id=uuids.uuid7(), trace_id=uuids.uuid7(), event="create", usage={"a": 1}).record()]
    )
    await installation.publish(
        SCORES,
        [
            ScoreEvent(
                **shared, entity_type="thread", entity_id=thread, event="set", name="ok", value=Decimal(1)
            ).record()
        ],
    )
    await installation.publish(
        ANNOTATIONS,
        [AnnotationEvent(**shared, entity_type="thread", entity_id=thread, annotation="tags", event="set").record()],
    )
    opened = ThreadEvent(
        **shared, project_id=thread, thread_id="t", thread_model_id=thread, event="opened", session_id="s",
        session_log_id=log_id, session_partition=1, first_offset=-1, last_offset=3, opened_at_us=1,
        last_activity_at_us=1,
    )  # fmt: skip
    await installation.publish(THREADS, [opened.record()])

    sink = await installation.start_sink()
    await installation.stored()

    assert await sink.terminate(60) == 0, sink.tail
    counts = {
        table: (await installation.client.rows(f"SELECT count() AS rows FROM {table}"))[0]["rows"]  # noqa: S608
        for table in (
            "trace_events", "traces FINAL", "controls", "span_events", "spans", "score_events", "annotation_events",
            "thread_events", "thread_ids", "dead_letters",
        )
    }  # fmt: skip
    assert list(counts.values()) == [40, 20, 5, 1, 1, 1, 1, 1, 1, 0], counts
    controls = await installation.client.rows("SELECT kind, key, value FROM controls ORDER BY kind DESC LIMIT 2")
    assert controls == [
        {"kind": "tick", "key": "", "value": ""},
        {"kind": "setting", "key": "", "value": '{"timeout_ms":1000}'},
    ]
    await assert_stored_as_the_log_says(installation)


async def test_a_sink_killed_at_any_moment_loses_and_doubles_nothing(installation: Installation) -> None:
    events = traffic(3000)
    chance = random.Random(SEED)
    # Small batches, so that a kill meets inserts, folds and commits.
    small = {"batch_rows_max": 150}

    async with publishing(installation, events, at_once=100):
        for _ in range(3):
            sink = await installation.start_sink(**small)
            seen = await rows_of(installation)

            async def more(seen: int = seen) -> bool:
                return await rows_of(installation) > seen

            await eventually(more, bool)
            await asyncio.sleep(chance.random() * 0.3)
            assert await sink.kill() == -9
    await installation.start_sink(**small)
    await installation.stored()

    await assert_stored_as_the_log_says(installation)


async def test_sinks_that_come_and_go_hand_their_partitions_over(installation: Installation) -> None:
    await hand_over(installation)


@pytest.mark.apache_kafka  # the embedded broker has no working static members
async def test_static_members_hand_their_partitions_over(apache_installation: Installation) -> None:
    await hand_over(apache_installation, instance_id="second")


async def hand_over(installation: Installation, **second_settings: str) -> None:
    """Start a second sink while events flow, and stop the first one."""
    events = traffic(1500)
    async with publishing(installation, events, at_once=50):
        first = await installation.start_sink(batch_rows_max=150)
        await eventually(lambda: rows_of(installation), lambda rows: rows > 0)
        second = await installation.start_sink(batch_rows_max=150, **second_settings)
        seen = await rows_of(installation)
        await eventually(lambda: rows_of(installation), lambda rows: rows > seen + 300)
        assert await first.terminate(60) == 0, first.tail
    await installation.stored()

    assert second.returncode is None
    await assert_stored_as_the_log_says(installation)


async def test_a_clickhouse_that_goes_away_is_waited_for(installation: Installation) -> None:
    events = [event.record() for event in traffic(1500)]
    sink = await installation.start_sink(retry_seconds_max=0.5)
    await installation.publish(TRACES, events[:1000])
    await eventually(lambda: rows_of(installation), lambda rows: rows > 0)

    for start in range(1000, 3000, 500):
        await installation.clickhouse.kill()
        await installation.publish(TRACES, events[start : start + 500])
        await eventually(lambda: waiting_lines(installation), lambda lines: lines > 0)
        await installation.clickhouse.start()
        installation.lines.clear()

    await installation.stored()
    assert sink.returncode is None
    await assert_stored_as_the_log_says(installation)


async def rows_of(installation: Installation) -> int:
    return int((await installation.client.rows("SELECT count() AS rows FROM trace_events"))[0]["rows"])


async def waiting_lines(installation: Installation) -> int:
    return sum("waiting" in line for line in installation.lines)


POISON = [
    b"",
    b"null",
    b'{"workspace":"default"',
    b'{"workspace":"default"}\n{"workspace":"default"}',
    b"{}",
    b'{"workspace":"default","unknown":1}',
    b'{"workspace":"default","log_offset":1}',
    b'{"workspace":"default"} {"workspace":"default"}',
    b'{"workspace":"default","version_us":"x"}',
    b'{"workspace":"default","thread_id":5}',
    b'{"workspace":"default","id":"not an id"}',
    b'{"workspace":"default","event":"renamed"}',
    b'{"workspace":"default","name":"\xff}',
]


async def test_poison_first_last_alone_and_in_between_is_set_aside_and_the_rest_is_stored(
    installation: Installation,
) -> None:
    good = [event.record() for event in traffic(40)]
    bad = [Record(b"k%d" % number, value, headers_of("trace")) for number, value in enumerate(POISON)]
    wrong_kind = Record(b"k", good[0].value, headers_of("span"))
    no_headers = Record(b"k", good[0].value, ())
    everything = [bad[0], bad[5], *good[:30], bad[1], bad[6], *good[30:], *bad[7:], wrong_kind, no_headers, bad[2]]
    in_one_partition = [Record(one.key, one.value, one.headers, 1) for one in everything]
    alone = [Record(one.key, one.value, one.headers, 3) for one in (bad[3], bad[4])]
    expected = [
        one
        for one in (*in_one_partition, *alone)
        if one.value not in {event.value for event in good} or one.headers != headers_of("trace")
    ]

    await installation.publish(TRACES, in_one_partition)
    sink = await installation.start_sink()
    await installation.publish(TRACES, alone[:1])
    await installation.stored()
    await installation.publish(TRACES, alone[1:])
    await installation.stored()

    assert sink.returncode is None, sink.tail
    letters = await installation.client.rows("SELECT * FROM dead_letters ORDER BY origin_partition, origin_offset")
    assert [(bytes_of(row["key"]), bytes_of(row["value"])) for row in letters] == [
        (one.key, one.value) for one in expected
    ]
    assert [tuple((name, bytes_of(value)) for name, value in row["headers"]) for row in letters] == [
        one.headers for one in expected
    ]
    assert all(row["stage"] == "sinks" and row["topic"] == "traces" and row["reason"] for row in letters)
    stored = await installation.client.rows("SELECT log_partition, log_offset FROM trace_events FINAL")
    assert len(stored) == len(good)


async def test_records_of_a_newer_schema_are_waited_for_and_hold_up_no_other_partition(
    installation: Installation,
) -> None:
    newer = (("kind", b"trace"), ("schema-version", b"2"))
    good = [event.record() for event in traffic(10)]
    held = [Record(b"k", good[0].value, newer, 2), Record(b"k", good[1].value, headers_of("trace"), 2)]
    others = [Record(one.key, one.value, one.headers, 1) for one in good[2:]]

    await installation.publish(TRACES, [Record(b"k", good[2].value, headers_of("trace"), 2), *held, *others])
    sink = await installation.start_sink(newer_schema_retry_seconds=0.2)
    await eventually(lambda: rows_of(installation), lambda rows: rows == 1 + len(others))
    held_lines = await eventually(lambda: _held(installation), lambda lines: len(lines) > 1)

    assert '"partition": 2' in held_lines[0]
    assert sink.returncode is None
    assert (await installation.client.rows("SELECT count() AS rows FROM dead_letters"))[0]["rows"] == 0


async def _held(installation: Installation) -> list[str]:
    return [line for line in installation.lines if "partition held" in line]


async def test_too_much_poison_stops_the_sink_before_anything_is_set_aside(installation: Installation) -> None:
    poison: list[Any] = [Record(b"k", b'{"unknown":1}', headers_of("trace"), 0) for _ in range(60)]

    await installation.publish(TRACES, poison)
    sink = await installation.start_sink(dead_letter_rows_min=50)

    assert await sink.wait() == 1
    assert "more than 50% is not poison" in sink.tail
    assert (await installation.client.rows("SELECT count() AS rows FROM dead_letters"))[0]["rows"] == 0
