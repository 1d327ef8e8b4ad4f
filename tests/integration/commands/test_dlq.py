"""Dead letters, as an operator lists, shows and replays them."""

import json
from typing import Any

import uuid_utils.compat as uuids

from pipeline.errors import Unknown
from pipeline.events.dead_letters import DeadLetter, text_of
from pipeline.events.envelope import Record, headers_of
from pipeline.sinks.reconciliation import balance_all
from pipeline.topics import DEAD_LETTERS, TRACES
from tests.support.command import run_here
from tests.support.installation import Installation

SHARED = '"workspace":"w","version_us":1000,"received_at_us":1000,"event":"create","thread_id":"t"'


def events(count: int, more: str = "") -> list[bytes]:
    return [f'{{{SHARED},"id":"{uuids.uuid7()}","name":"n{number}"{more}}}'.encode() for number in range(count)]


async def dlq(installation: Installation, *arguments: str) -> Any:
    found = await run_here(installation.environment(), "dlq", *arguments, "--json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


async def rows_of(installation: Installation) -> list[dict[str, Any]]:
    return await installation.client.rows("SELECT * FROM traces FINAL ORDER BY id")


async def gaps(installation: Installation) -> dict[str, int]:
    balances = await balance_all(installation.kafka, installation.client)
    return {balance.topic: balance.gap for balance in balances if balance.gap}


async def test_letters_are_listed_shown_and_replayed_once_the_cause_is_gone(installation: Installation) -> None:
    good, ahead = events(5), events(4, ',"mood":"sunny"')
    records = [Record(b"key", value, headers_of("trace"), 2) for value in (*good, *ahead, b"[]")]
    refused = DeadLetter(
        workspace="w", version_us=5, received_at_us=5, stage="gateway", reason="no id", topic="traces",
        value=text_of(b"{}"),
    )  # fmt: skip
    await installation.publish(TRACES, records)
    await installation.publish(DEAD_LETTERS, [refused.record(None)])
    await installation.start_sink()
    await installation.stored()
    assert await gaps(installation) == {}

    listed = await dlq(installation, "list")
    assert len(listed) == 6
    unknown_field = await dlq(installation, "list", "--topic", "traces", "--code", "117", "--workspace", "w")
    assert len(unknown_field) == 4
    assert await dlq(installation, "list", "--until", "2020-01-01") == [listed[-1]]
    shown = await dlq(installation, "show", unknown_field[0]["letter_id"])
    assert shown["value"].encode() in ahead
    assert (shown["key"], shown["headers"]["kind"], shown["replays"]) == ("key", "trace", 0)

    unknown = await run_here(installation.environment(), "dlq", "show", "no-such-letter")
    assert isinstance(unknown.exception, Unknown)

    # The cause: the producer was ahead of the tables.
    for statement in ("trace_events", "trace_fields"):
        await installation.client.command(f"ALTER TABLE {statement} ADD COLUMN mood String")
    everything = {"replayed": 5, "replayed_before": 0, "never_in_a_topic": 1, "cut": 0}
    assert await dlq(installation, "replay") == everything
    await installation.stored()
    stored = await rows_of(installation)
    places = await installation.client.rows("SELECT log_offset FROM trace_events FINAL ORDER BY log_offset")

    assert len(stored) == 9
    assert [row["log_offset"] for row in places] == list(range(9))
    assert await gaps(installation) == {}
    assert [row["replays"] for row in await dlq(installation, "list", "--code", "117")] == [1] * 4

    # A second replay is seen; one that is asked for changes nothing.
    assert (await dlq(installation, "replay"))["replayed_before"] == 5
    assert (await dlq(installation, "replay", "--again"))["replayed"] == 5
    await installation.stored()
    assert await rows_of(installation) == stored
    assert [row["replays"] for row in await dlq(installation, "list", "--code", "117")] == [2] * 4
    assert await gaps(installation) == {}
    assert len(await dlq(installation, "list")) == 6


async def test_a_letter_that_was_published_but_is_not_stored_yet_is_not_published_again(
    installation: Installation,
) -> None:
    await installation.publish(TRACES, [Record(b"key", b"[]", headers_of("trace"), 1)])
    sink = await installation.start_sink()
    await installation.stored()
    assert await sink.terminate(60) == 0

    assert (await dlq(installation, "replay"))["replayed"] == 1
    assert (await dlq(installation, "replay"))["replayed_before"] == 1
