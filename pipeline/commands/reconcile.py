"""`threadline reconcile`: per topic, what was accepted and what became of it."""

import asyncio
import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from pipeline.adapters.clickhouse.client import ClickHouse
from pipeline.settings import Settings
from pipeline.sinks.reconciliation import TERMS, Balance, balance_partitions, total


def run(settings: Settings, *, as_json: bool, by_partition: bool = False) -> int:
    """Print the balance of every topic, or of each of its partitions; return 1 where a gap is left."""
    topics = asyncio.run(_connected(settings))
    balances = [one for topic in topics for one in topic] if by_partition else [total(topic) for topic in topics]
    if as_json:
        print(json.dumps([_document(balance) for balance in balances]))  # noqa: T201
    else:
        Console().print(_table(balances))
    return 1 if any(balance.gap for balance in balances) else 0


async def _connected(settings: Settings) -> list[list[Balance]]:
    async with ClickHouse(settings.clickhouse) as client:
        return await balance_partitions(settings.kafka, client)


def _document(balance: Balance) -> dict[str, object]:
    place: dict[str, object] = {} if balance.partition is None else {"partition": balance.partition}
    return {"topic": balance.topic, **place, **balance.terms()}


def _table(balances: Sequence[Balance]) -> Table:
    table = Table("topic", *(term.replace("_", "-") for term in TERMS), "gap")
    for balance in balances:
        name = balance.topic if balance.partition is None else f"{balance.topic}/{balance.partition}"
        table.add_row(name, *(f"{records:,}" for records in balance.terms().values()))
    return table
