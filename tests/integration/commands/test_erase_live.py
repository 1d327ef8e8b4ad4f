"""Threads are erased while their events still come, a worker holds them open, and sinks store and clean up."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import uuid_utils.compat as uuids

from pipeline.adapters.clock import SystemClock
from pipeline.events.controls import Command
from pipeline.events.identity import ThreadRef, project_id, thread_key
from pipeline.events.traces import TRACE_DECODER, TraceEvent
from pipeline.sinks.reconciliation import balance_all
from pipeline.topics import TRACES
from tests.support.command import RunningStage, run_here
from tests.support.installation import Installation
from tests.support.searching import rows_that_say
from tests.support.waiting import eventually

PROJECT = project_id("shop", "Support")
TALKING, SILENT = (ThreadRef("shop", PROJECT, name) for name in ("talking", "silent"))
ERASED, SAID = "what must not be found", "anything"
SECONDS_MAX = 60.0
TURNS_AFTER_MIN = 5


def turn(thread: ThreadRef, text: str) -> TraceEvent:
    now_us = SystemClock().now_us()
    return TraceEvent(
        workspace="shop", version_us=now_us, received_at_us=now_us, id=uuids.uuid7(), event="create",
        project_id=PROJECT, project_name="Support", thread_id=thread.thread_id, input=json.dumps({"text": text}),
    )  # fmt: skip


class Talk:
    """Turns of one thread, one after the other, as long as the block lasts."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._spoke = asyncio.Event()
        self.turns = 0

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._go_on())
        try:
            yield
            assert not task.done(), "nobody talks any more"
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def said(self, turns: int) -> None:
        """Return when so many more turns are in the log."""
        wanted = self.turns + turns
        while self.turns < wanted:
            self._spoke.clear()
            await self._spoke.wait()

    async def _go_on(self) -> None:
        while True:
            await self._installation.publish(TRACES, [turn(TALKING, SAID if self.turns else ERASED).record()])
            self.turns += 1
            self._spoke.set()
            await asyncio.sleep(0.02)


async def sessions(installation: Installation, thread: ThreadRef) -> list[tuple[str, str | None, int]]:
    """Return what is stored of the lives of a thread: event, reason, and the first offset of the session."""
    rows = await installation.client.rows(
        "SELECT event, reason, first_offset FROM thread_events FINAL WHERE thread_id = {thread:String} "
        "ORDER BY first_offset, event",
        {"thread": thread.thread_id},
    )
    return [(row["event"], row["reason"], row["first_offset"]) for row in rows]


async def new_turns(installation: Installation) -> tuple[set[UUID], dict[str, int]]:
    """Return, as the log has them, the turns that began after their thread was deleted; and where deletions stand."""
    log = await installation.log(TRACES)
    kinds = {id(record): dict(record.headers)["kind"] for record in log}
    deleted = {record.key: record for record in log if kinds[id(record)] == b"delete"}
    turns = [
        (TRACE_DECODER.decode(record.value), record)
        for record in log
        if kinds[id(record)] == b"trace" and b"thread_id" in record.value
    ]
    younger = {
        event.id
        for event, record in turns
        if min(event.version_us, record.timestamp * 1000) > deleted[record.key].timestamp * 1000 + 999
    }
    return younger, {
        thread.thread_id: deleted[thread_key(thread)].offset for thread in (TALKING, SILENT)
    }  # fmt: skip


async def test_an_erased_thread_that_goes_on_begins_a_new_life_without_what_was_said_before(
    installation: Installation,
) -> None:
    environment = installation.environment() | {"THREADLINE_STREAM_TRANSACTIONS": "false"}
    worker = await RunningStage.start(environment, "worker")
    talk = Talk(installation)
    try:
        await installation.start_sink(upkeep_interval_seconds=1)
        await installation.publish(TRACES, [turn(SILENT, ERASED).record()])
        async with talk.going_on():
            for thread in (TALKING, SILENT):
                await eventually(lambda thread=thread: sessions(installation, thread), bool, seconds_max=SECONDS_MAX)
            erase = (
                "erase",
                "--workspace",
                "shop",
                "--project",
                "Support",
                "--thread",
                "talking",
                "--thread",
                "silent",
            )
            erased = await run_here(installation.environment(), *erase, "--yes", "--json")
            assert erased.exit_code == 0, (erased.output, erased.exception)
            await talk.said(TURNS_AFTER_MIN)
        asked = Command(requested_at_us=SystemClock().now_us())
        await installation.publish(TRACES, [asked.record("close", thread, None) for thread in (TALKING, SILENT)])
        younger, deleted_at = await new_turns(installation)

        async def lives() -> list[tuple[str, str | None, int]]:
            return await sessions(installation, TALKING)

        talked = await eventually(
            lives, lambda found: any(reason == "requested" for _, reason, _ in found), seconds_max=SECONDS_MAX
        )
    finally:
        await worker.child.kill()
    await installation.stored()

    # The old life is known to have been deleted, the new one began after that, and nothing else is open.
    assert [(event, reason) for event, reason, _ in talked] == [
        ("closed", "deleted"), ("opened", None), ("closed", "requested"),
    ]  # fmt: skip
    assert talked[1][2] == talked[2][2] > deleted_at["talking"]
    assert [(event, reason) for event, reason, _ in await sessions(installation, SILENT)] == [("closed", "deleted")]

    # Of the traces those that are younger than the deletion are there, no others, in every table.
    async def kept() -> set[UUID]:
        rows = await installation.client.rows("SELECT id FROM trace_events FINAL WHERE isNotNull(input)")
        return {row["id"] for row in rows}

    assert len(younger) >= TURNS_AFTER_MIN
    assert await eventually(kept, lambda found: found <= younger, seconds_max=SECONDS_MAX) == younger
    folded = await installation.client.rows("SELECT id, thread_id FROM traces FINAL")
    assert {(row["id"], row["thread_id"]) for row in folded} == {(one, "talking") for one in younger}
    threads = await installation.client.rows("SELECT thread_id, traces FROM threads FINAL")
    assert threads == [{"thread_id": "talking", "traces": len(younger)}]

    async def said() -> dict[str, int]:
        return await rows_that_say(installation.client, ERASED)

    assert await eventually(said, lambda found: not found, seconds_max=SECONDS_MAX) == {}
    balances = await balance_all(installation.kafka, installation.client)
    assert {(balance.gap, balance.pending) for balance in balances} == {(0, 0)}
