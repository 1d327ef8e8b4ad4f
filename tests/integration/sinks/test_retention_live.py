"""Sinks store while months are dropped, and runs are cut off: at every step every record is accounted for."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.kafka.offsets import Bounds
from pipeline.errors import StorageUnavailable
from pipeline.sinks.reconciliation import balances
from pipeline.sinks.retention import Dropped, Reach, drop_expired
from pipeline.sinks.retention_sql import MONTHS, aside
from pipeline.sinks.thread_fold import OF_THREADS
from pipeline.topics import SCORES, SPANS, STORED, TRACES
from tests.support.folding import Database
from tests.support.searching import emptied
from tests.support.stored import SECOND_US, Log, uuid7_at

DAYS = {"*": 30, "patient": 365}
BEGIN = 2
"""The first offset that Kafka still has."""
EVENTS = {"trace_events": TRACES, "span_events": SPANS, "score_events": SCORES}
WITHOUT_TIME = UUID("6f1f7a5e-5a0c-8a53-8a53-7a1d2f0c9b10")


def at(month: int, day: int = 15) -> int:
    return int(datetime(2026, month, day, tzinfo=UTC).timestamp()) * 1_000_000


NOW_US = at(4, 10)
"""Thirty days before that is in March: January is over for all but the patient."""


class Watched(ClickHouse):
    """A client that lets something happen before each of its statements."""

    before: Callable[[str], Awaitable[None]]

    async def command(
        self, sql: str, parameters: Mapping[str, object] = {}, *, settings: Mapping[str, str | int] = {}
    ) -> None:
        await self.before(sql)
        await super().command(sql, parameters, settings=settings)


class Said:
    """What a workspace said in a month, January at first; each topic is in a log of its own."""

    def __init__(self, workspace: str) -> None:
        self.logs = {topic: Log(workspace) for topic in (TRACES, SPANS, SCORES)}
        self.in_month(1)

    def in_month(self, month: int) -> None:
        """Go on in a month; never the same moment twice."""
        for log in self.logs.values():
            log.now_us = at(month) + log.offset * SECOND_US

    def turn(self) -> None:
        trace = self.logs[TRACES].trace("old", input={"text": "January"})
        span = self.logs[SPANS].span(trace, input={"text": "January"})
        self.logs[SCORES].score("trace", trace, "mood", "0.5")
        self.logs[SCORES].score("span", span, "mood", "0.5")

    async def store(self, client: ClickHouse) -> None:
        for log in self.logs.values():
            await log.store(client)

    async def store_more(self, client: ClickHouse, sql: str) -> bool:
        """Store another event of each table of events that `sql` names, like those it is about; tell if it names any.

        Of January, which goes as a whole; of February, from which rows go; or of no month.
        """
        named = [topic for table, topic in EVENTS.items() if table in sql]
        identity = WITHOUT_TIME if "197001" in sql else None
        self.in_month(1 if identity or aside("") in sql else 2)
        for topic in named:
            log = self.logs[topic]
            late = identity or uuid7_at(log.now_us, log.offset)
            if topic is TRACES:
                log.trace("old", id=late)
            elif topic is SPANS:
                log.span(late)
            else:
                log.score("trace", late, "mood", "0.5")
            await log.store(client, folding=False)
        return bool(named)

    async def gaps(self, client: ClickHouse) -> dict[str, int]:
        """Return what is unaccounted for, by topic."""
        found: dict[str, int] = {}
        for topic, log in self.logs.items():
            end = log.offset + 1
            (balance,) = await balances(client, topic, log.log_id, [Bounds(BEGIN, end, end)], {})
            found[topic.name] = balance.gap
        return found

    async def expire(self, client: ClickHouse, days: Mapping[str, int] = DAYS) -> Dropped:
        nothing = Reach(UUID(int=1), [0])
        logs = {topic.name: Reach(log.log_id, [BEGIN]) for topic, log in self.logs.items()}
        reaches = {topic.name: logs.get(topic.name, nothing) for topic in STORED}
        return await drop_expired(client, days, reaches, now_us=NOW_US)


NO_GAPS = {topic.name: 0 for topic in (TRACES, SPANS, SCORES)}


@pytest.fixture
def watched(database: Database) -> Iterator[Watched]:
    database.run(emptied(database.client))
    client = Watched(database.client.settings)
    client.before = nothing_happens
    yield client
    database.run(client.close())


async def nothing_happens(_: str) -> None:
    """Let the statement run."""


async def rows_by_table(client: ClickHouse, workspace: str) -> dict[str, list[dict[str, Any]]]:
    sql = "SELECT * FROM {table} FINAL WHERE workspace = {workspace:String} ORDER BY ALL"
    tables = [*(table.name for table in MONTHS), "threads"]
    return {table: await client.rows(sql.replace("{table}", table), {"workspace": workspace}) for table in tables}


async def left(client: ClickHouse) -> set[str]:
    """Return the tables that have anything of the hasty left, where it was or where it went."""
    names = [name for table in MONTHS for name in (table.name, aside(table.name))]
    sql = "SELECT 1 AS found FROM {name} WHERE workspace = 'hasty' LIMIT 1"
    return {name for name in names if await client.rows(sql.replace("{name}", name))}


def test_what_is_stored_between_any_two_steps_is_noted_before_it_is_dropped(
    database: Database, watched: Watched
) -> None:
    database.run(scenario_of_late_rows(database.client, watched))


async def scenario_of_late_rows(client: ClickHouse, watched: Watched) -> None:
    said, patient = Said("hasty"), Said("patient")
    for _ in range(3):
        said.turn()
    said.logs[TRACES].trace("old", id=WITHOUT_TIME)
    for others in (said, patient):
        others.in_month(2)
        others.turn()
        await others.store(client)
    kept = await rows_by_table(client, "patient")
    came: list[str] = []

    async def more_comes(sql: str) -> None:
        if await said.store_more(client, sql):
            came.append(sql)

    watched.before = more_comes
    await said.expire(watched)
    assert {"MOVE", "INSERT", "DROP", "DELETE", "IN PARTITION"} == {
        step for step in ("MOVE", "INSERT", "DROP", "DELETE", "IN PARTITION") if any(step in sql for sql in came)
    }
    assert await said.gaps(client) == NO_GAPS
    assert EVENTS.keys() <= await left(client)

    watched.before = nothing_happens
    await said.expire(watched)
    assert await said.gaps(client) == NO_GAPS
    assert await left(client) == set()
    assert await rows_by_table(client, "patient") == kept


def test_a_run_that_is_cut_off_at_any_step_is_finished_by_the_next(database: Database, watched: Watched) -> None:
    database.run(scenario_of_crashes(database.client, watched))


async def scenario_of_crashes(client: ClickHouse, watched: Watched) -> None:
    said = Said("hasty")
    for _ in range(3):
        said.turn()
    await said.store(client)
    seen: list[str] = []

    async def it_is_cut_off(sql: str) -> None:
        if sql not in seen and any(aside(table) in sql for table in (*EVENTS, "thread_traces")):
            seen.append(sql)
            raise StorageUnavailable("cut off")

    watched.before = it_is_cut_off
    while not await is_finished(said, watched):
        assert await said.gaps(client) == NO_GAPS, seen
        await said.store_more(client, seen[-1])  # so that the month is in its table and aside at once
    # Moved, noted and dropped; threads have no place to note, and their rows go between the move and the drop.
    assert len(seen) == 3 * len(EVENTS) + 2 + len(OF_THREADS), seen

    watched.before = nothing_happens
    await said.expire(watched)
    assert await said.gaps(client) == NO_GAPS
    assert await left(client) == set()


async def is_finished(said: Said, watched: Watched) -> bool:
    try:
        await said.expire(watched)
    except StorageUnavailable:
        return False
    return True


def test_who_keeps_a_month_that_was_set_aside_gets_it_back(database: Database, watched: Watched) -> None:
    database.run(scenario_of_patience(database.client, watched))


async def scenario_of_patience(client: ClickHouse, watched: Watched) -> None:
    hasty, patient = Said("hasty"), Said("patient")
    for said in (hasty, patient):
        for _ in range(2):
            said.turn()
    await hasty.store(client)
    kept: dict[str, list[dict[str, Any]]] = {}

    async def it_comes_late(sql: str) -> None:
        if "MOVE" in sql and not kept:
            await patient.store(client)
            kept.update(await rows_by_table(client, "patient"))

    watched.before = it_comes_late
    await hasty.expire(watched)

    assert all(kept.values())
    assert await rows_by_table(client, "patient") == kept
    assert not any((await rows_by_table(client, "hasty")).values())
    assert await patient.gaps(client) == await hasty.gaps(client) == NO_GAPS


def test_what_was_set_aside_goes_back_when_months_are_kept_after_all(database: Database, watched: Watched) -> None:
    database.run(scenario_of_second_thoughts(database.client, watched))


async def scenario_of_second_thoughts(client: ClickHouse, watched: Watched) -> None:
    said = Said("hasty")
    for _ in range(3):
        said.turn()
    await said.store(client)
    before = await rows_by_table(client, "hasty")

    async def it_is_cut_off(sql: str) -> None:
        if "DROP" in sql:
            raise StorageUnavailable("cut off")

    watched.before = it_is_cut_off
    assert not await is_finished(said, watched)
    assert (await rows_by_table(client, "hasty"))["trace_events"] == []
    assert await said.gaps(client) == NO_GAPS

    assert await said.expire(client, {}) == Dropped()
    assert await rows_by_table(client, "hasty") == before
    assert await said.gaps(client) == NO_GAPS
