"""`threadline reconcile`: per topic, what was accepted and what became of it.

    accepted = controls + stored + dead-lettered + dropped + pending + gap

Only what lies below the sinks' committed offset is counted as stored or dead-lettered, so that a row which is inserted
but not yet committed counts once, as pending. A gap other than 0 is a loss, or a row that should not be there.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final
from uuid import UUID

from rich.console import Console
from rich.table import Table

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.adapters.kafka.admin import read_log_ids
from pipeline.adapters.kafka.offsets import Bounds, read_bounds
from pipeline.settings import KafkaSettings, Settings
from pipeline.topics import ANNOTATIONS, DEAD_LETTERS, SCORES, SINKS_GROUP, SPANS, STORED, THREADS, TRACES, Topic

_TABLES: Final = {
    TRACES: "trace_events",
    SPANS: "span_events",
    SCORES: "score_events",
    ANNOTATIONS: "annotation_events",
    THREADS: "thread_events",
    DEAD_LETTERS: "dead_letters",
}
# Arrays in ClickHouse begin at 1, partitions at 0. A row may stand twice until its parts are merged.
_COUNT: Final = """
SELECT uniqExact({partition}, {offset}) AS rows FROM {table}
WHERE {log_id} = {{log:UUID}} AND {offset} >= {{begins:Array(UInt64)}}[toUInt32({partition}) + 1]
    AND {offset} < {{ends:Array(UInt64)}}[toUInt32({partition}) + 1]
"""
# A session that could not be evaluated is set aside too, but its record is stored all the same.
_NOT_STORED: Final = "    AND stage = 'sinks'\n"


@dataclass(frozen=True, slots=True)
class Balance:
    """The terms of one topic, in records."""

    topic: str
    accepted: int
    controls: int
    stored: int
    dead_lettered: int
    dropped: int
    pending: int

    @property
    def gap(self) -> int:
        """What is unaccounted for: 0, or something was lost or stored that never came in."""
        return self.accepted - self.controls - self.stored - self.dead_lettered - self.dropped - self.pending


def run(settings: Settings, *, as_json: bool) -> int:
    """Print the balance of every topic; return 1 where a gap is left."""
    balances = asyncio.run(_connected(settings))
    if as_json:
        print(json.dumps([{**asdict(balance), "gap": balance.gap} for balance in balances]))  # noqa: T201
    else:
        Console().print(_table(balances))
    return 1 if any(balance.gap for balance in balances) else 0


async def balance_all(kafka: KafkaSettings, client: ClickHouse) -> list[Balance]:
    """Return the balance of every stored topic, at about this moment."""
    bounds = await read_bounds(kafka, STORED, SINKS_GROUP)
    log_ids = await read_log_ids(kafka)
    return [await _balance(client, topic, log_ids[topic.name], bounds[topic.name]) for topic in STORED]


async def _connected(settings: Settings) -> list[Balance]:
    client = ClickHouse(settings.clickhouse)
    await client.start()
    try:
        return await balance_all(settings.kafka, client)
    finally:
        await client.close()


async def _balance(client: ClickHouse, topic: Topic, log_id: UUID, bounds: Sequence[Bounds]) -> Balance:
    async def count(table: str, *, origin: bool = False) -> int:
        prefix = "origin" if origin else "log"
        sql = _COUNT.format(
            table=table, log_id=f"{prefix}_log_id" if origin else "log_id",
            partition=f"{prefix}_partition", offset=f"{prefix}_offset",
        )  # fmt: skip
        if origin:
            sql += _NOT_STORED
        rows = await client.rows(
            sql,
            {"log": log_id, "begins": [bound.begin for bound in bounds], "ends": [bound.committed for bound in bounds]},
        )
        return int(rows[0]["rows"])

    return Balance(
        topic=topic.name,
        accepted=sum(bound.end - bound.begin for bound in bounds),
        controls=await count("controls") if topic is TRACES else 0,
        stored=await count(_TABLES[topic]),
        dead_lettered=await count("dead_letters", origin=True),
        dropped=0,
        pending=sum(bound.end - bound.committed for bound in bounds),
    )


def _table(balances: Sequence[Balance]) -> Table:
    table = Table("topic", "accepted", "controls", "stored", "dead-lettered", "dropped", "pending", "gap")
    for balance in balances:
        numbers = (*list(asdict(balance).values())[1:], balance.gap)
        table.add_row(balance.topic, *(f"{number:,}" for number in numbers))
    return table
