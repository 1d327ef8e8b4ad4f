"""Batches of events inserted and folded as sinks do, without Kafka: some at once, some twice."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.sinks.batch import Row
from pipeline.sinks.fold import fold
from pipeline.sinks.ranges import covering
from pipeline.sinks.routes import Table
from pipeline.sinks.splice import head_of, splice
from tests.support.fold_oracle import Stored

EXAMPLES = settings(
    max_examples=18,
    deadline=None,
    phases=[phase for phase in Phase if phase is not Phase.explain],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CUTS = st.sets(st.integers(1, 13), max_size=3)
Run = Callable[[Any], Any]
Batch = tuple[Table, list[Stored]]


class Database:
    """A ClickHouse and the event loop of its client."""

    def __init__(self, runner: asyncio.Runner, client: ClickHouse) -> None:
        self.run: Run = runner.run
        self.client = client


async def store(client: ClickHouse, table: Table, batch: Iterable[Stored]) -> None:
    """Insert and fold one batch, as a sink does; the rows of each log by themselves."""
    by_log: dict[UUID, list[Row]] = {}
    for one in sorted(batch, key=lambda one: one.at):
        by_log.setdefault(one.at.log_id, []).append(row_of(one))
    for log_id, rows in by_log.items():
        # Without a token: these batches have holes, which those of a sink have not, so that two could have the same.
        await client.insert_lines(table.name, [row.line for row in rows], token=None)
        await fold(client, table.name, covering(log_id, "topic", rows))


def row_of(stored: Stored) -> Row:
    """Return an event as the row of its table."""
    at = stored.at
    value = msgspec.json.encode(stored.event)
    line = splice(head_of(at.log_id, at.partition), at.offset, at.appended_at_ms, value)
    return Row(line, at.partition, at.offset, at.appended_at_ms, None, ())


async def store_by_two_sinks(client: ClickHouse, batches: Sequence[Batch]) -> None:
    """Store the batches by two sinks at once, each every other one; each folds after its own inserts."""
    await asyncio.gather(*(_in_turn(client, batches[number::2]) for number in range(2)))


async def _in_turn(client: ClickHouse, batches: Sequence[Batch]) -> None:
    for table, batch in batches:
        await store(client, table, batch)


def cut(history: list[Stored], places: set[int]) -> list[list[Stored]]:
    """Return the history in pieces, cut at `places`."""
    edges = [0, *sorted(place for place in places if place < len(history)), len(history)]
    return [history[start:end] for start, end in pairwise(edges) if start < end]
