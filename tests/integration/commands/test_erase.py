"""A user's threads are erased while the sinks run: from tables and dead letters, for good, and no record is missed."""

import json
from functools import partial
from typing import Any

import msgspec
import uuid_utils.compat as uuids
from click.testing import Result

from pipeline.errors import Malformed, Stalled
from pipeline.events.envelope import Record, headers_of
from pipeline.events.identity import ThreadRef, project_id, thread_key
from pipeline.events.scores import ScoreEvent
from pipeline.events.spans import SpanEvent
from pipeline.events.traces import TraceEvent
from pipeline.sinks.reconciliation import balance_all
from pipeline.topics import SCORES, SPANS, TRACES
from tests.support.command import run_here
from tests.support.installation import Installation
from tests.support.searching import rows_that_say
from tests.support.stored import BEGAN_US, uuid7_at
from tests.support.waiting import eventually

PROJECT = project_id("shop", "Support")
OF_THE_USER = json.dumps([{"field": "metadata", "operator": "=", "key": "user", "value": "eve"}])
SECRET = "of eve"  # noqa: S105 - what must not be found


def turn(thread_id: str | None, user: str, text: str) -> tuple[TraceEvent, SpanEvent, ScoreEvent]:
    shared: dict[str, Any] = {"workspace": "shop", "version_us": 5, "received_at_us": 5, "project_id": PROJECT}
    said = json.dumps({"text": text})
    trace = TraceEvent(
        **shared, id=uuids.uuid7(), event="create", thread_id=thread_id, input=said, project_name="Support",
        metadata=json.dumps({"user": user}),
    )  # fmt: skip
    span = SpanEvent(**shared, id=uuids.uuid7(), trace_id=trace.id, event="create", output=said)
    score = ScoreEvent(**shared, entity_type="trace", entity_id=trace.id, event="set", name="s", value=1, reason=text)
    return trace, span, score


async def erase(installation: Installation, *arguments: str) -> Result:
    where = ("--workspace", "shop", "--project", "support", "--json")
    return await run_here(installation.environment(), "erase", *where, *arguments)


def reported(found: Result) -> Any:
    assert found.exit_code == 0, (found.output, found.exception)
    return json.loads(found.stdout)


async def deleted_and_missed(installation: Installation) -> dict[str, tuple[int, int]]:
    """Return, by topic, how many records were deleted on purpose, and how many are missed."""
    found = await balance_all(installation.kafka, installation.client)
    return {balance.topic: (balance.deleted, balance.gap) for balance in found}


async def test_the_threads_of_a_user_are_erased_for_good_and_nothing_is_missed(installation: Installation) -> None:
    turns = [turn(f"eve-{number % 2}", "eve", SECRET) for number in range(6)] + [turn(None, "eve", SECRET)]
    turns += [turn(f"bob-{number % 2}", "bob", f"of bob-{number % 2}") for number in range(4)]
    poison = [
        Record(thread_key(ThreadRef("shop", PROJECT, f"{who}-0")), f'["of {who}"'.encode(), headers_of("trace"))
        for who in ("eve", "bob")
    ]
    await installation.publish(TRACES, [trace.record() for trace, _, _ in turns] + poison)
    await installation.publish(SPANS, [span.record() for _, span, _ in turns])
    await installation.publish(SCORES, [score.record() for _, _, score in turns])
    sink = await installation.start_sink()
    await installation.stored()
    of_bob = await rows_that_say(installation.client, "of bob")

    # Nothing happens before it is wanted, and nothing by mistake.
    counted = reported(await erase(installation, "--trace-filter", OF_THE_USER, "--dry-run"))
    assert (counted["threads"], counted["traces"], counted["spans"], counted["erased"]) == (2, 7, 7, False)
    assert (await erase(installation, "--trace-filter", OF_THE_USER)).exit_code == 1
    for wrong in ((), ("--filter", "[]"), ("--thread", "eve-0", "--filter", OF_THE_USER)):
        assert isinstance((await erase(installation, *wrong, "--yes")).exception, Malformed)
    assert (await rows_that_say(installation.client, SECRET)).keys() >= {
        "trace_events",
        "dead_letters",
        "thread_previews",
    }

    done = reported(await erase(installation, "--trace-filter", OF_THE_USER, "--yes"))
    assert done["erased"]
    assert all(
        done["rows"][table] == counted["rows"][table] for table in ("trace_events", "score_events", "dead_letters")
    )
    assert done["in_kafka_until"] > "2026"
    await installation.stored()
    assert await rows_that_say(installation.client, SECRET) == {}
    assert await rows_that_say(installation.client, "of bob") == of_bob
    deleted = {"traces": 8, "spans": 7, "scores": 7, "annotations": 0, "threads": 0, "dead-letters": 1}
    assert await deleted_and_missed(installation) == {topic: (records, 0) for topic, records in deleted.items()}

    # Once more finds nothing, and says nothing more into the log.
    again = reported(await erase(installation, "--trace-filter", OF_THE_USER, "--yes"))
    assert (again["traces"], again["erased"], any(again["rows"].values())) == (0, False, False)
    threads = ("--thread", "eve-0", "--thread", "eve-1")
    assert not any(reported(await erase(installation, *threads, "--yes"))["rows"].values())

    # What the log still has does not come back by a replay.
    for topic in ("traces", "spans", "scores"):
        found = await run_here(installation.environment(), "replay", "--topic", topic, "--json")
        assert json.loads(found.stdout.splitlines()[-1])["deleted"] == deleted[topic], "after what it logged"
    await installation.stored()
    assert await rows_that_say(installation.client, SECRET) == {}
    assert {gap for _, gap in (await deleted_and_missed(installation)).values()} == {0}

    # Without a sink nothing is erased, and the command says so.
    assert await sink.terminate(60) == 0
    stuck = await erase(installation, "--thread", "bob-0", "--yes", "--wait-seconds", "0")
    assert isinstance(stuck.exception, Stalled)
    assert (await rows_that_say(installation.client, "of bob-0")).keys() == of_bob.keys() - {"dead_letters"}

    # A sink finishes that, and erases what comes late; and what is past the days of its workspace goes.
    late = msgspec.structs.replace(turns[0][0], event="patch", version_us=9, output=json.dumps(SECRET))
    old = msgspec.structs.replace(turns[-1][0], workspace="archive", id=uuid7_at(BEGAN_US, 1), name="expired")
    await installation.publish(TRACES, [late.record(), old.record()])
    await installation.start_sink(upkeep_interval_seconds=1, retention_days='{"archive": 30}')
    await installation.stored()
    for gone in ("of bob-0", SECRET, "expired"):
        await eventually(partial(rows_that_say, installation.client, gone), lambda found: not found)
    assert await rows_that_say(installation.client, "of bob-1") != {}
    found = await deleted_and_missed(installation)
    assert found["traces"] == (deleted["traces"] + 2 + 1 + 2, 0)
    assert {gap for _, gap in found.values()} == {0}
