"""Figures over the threads that match: how many, how long, what they cost, how they were scored."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from pipeline.query import filters
from pipeline.query.deletions import any_deleted
from pipeline.query.filters import Filter
from pipeline.query.pages import TimeRange
from pipeline.query.reader import Reader
from pipeline.query.statement import Scope
from pipeline.query.thread_fields import SEARCHED
from pipeline.query.threads import chosen, source_of


class Stat(msgspec.Struct, frozen=True):
    """One figure; `value` is a number, or percentiles by name."""

    name: str
    type: str
    value: Any


async def thread_stats(
    reader: Reader, scope: Scope, wanted: Sequence[Filter], between: TimeRange | None, search: str | None, *,
    lenient: bool,
) -> list[Stat]:  # fmt: skip
    """Return thread_count, duration (ms), and where there are any: cost, usage and scores, averaged over threads."""
    statement = chosen(scope, wanted, between, lenient=lenient, with_deletions=await any_deleted(reader, scope))
    if search:
        statement.where(filters.contains(search, SEARCHED, statement))
    statement.choose("matching", source_of(statement))
    lengths, costs, scores = await asyncio.gather(
        reader.rows(statement, "SELECT count() AS threads, quantiles(0.5, 0.9, 0.99)(duration_ms) AS ms FROM matching"),
        reader.rows(
            statement,
            "SELECT avg(toFloat64(cost)) AS cost, avgMap(usage) AS usage FROM costs "
            "INNER JOIN (SELECT thread_id FROM matching) AS matched USING (thread_id)",
        ),
        reader.rows(
            statement,
            "SELECT name, avg(average) AS average FROM scores "
            "INNER JOIN (SELECT model FROM matching) AS matched ON entity = model",
            "GROUP BY name ORDER BY name",
        ),
    )
    stats = [Stat("thread_count", "COUNT", lengths[0]["threads"])]
    if lengths[0]["threads"]:
        stats.append(Stat("duration", "PERCENTAGE", dict(zip(("p50", "p90", "p99"), lengths[0]["ms"], strict=True))))
    if costs and costs[0]["cost"]:
        stats.append(Stat("total_estimated_cost", "AVG", costs[0]["cost"]))
    for name, average in sorted(costs[0]["usage"].items()) if costs else ():
        stats.append(Stat(f"usage.{name}", "AVG", average))
    return stats + [Stat(f"feedback_scores.{row['name']}", "AVG", row["average"]) for row in scores]
