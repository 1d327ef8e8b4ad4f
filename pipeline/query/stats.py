"""Figures over the threads, or traces, that match: how many, how long, what they cost, how they were scored."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from pipeline.query import filters
from pipeline.query.deletions import any_deleted
from pipeline.query.filters import Filter
from pipeline.query.pages import Page, TimeRange
from pipeline.query.reader import Reader
from pipeline.query.statement import Scope
from pipeline.query.thread_fields import SEARCHED
from pipeline.query.threads import chosen, source_of
from pipeline.query.trace_fields import DURATION
from pipeline.query.traces import matching

_TRACE_COUNTS: Final = """
SELECT
    count() AS traces, quantiles(0.5, 0.9, 0.99)({duration}) AS ms, countIf(input_bytes > 0) AS inputs,
    countIf(output_bytes > 0) AS outputs, avg(length(tags)) AS tagged, countIf(notEmpty(ifNull(error_preview, '')))
        AS errors
FROM matching"""


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
            "SELECT avg(toFloat64(matching.cost)) AS cost, avgMap(matching.usage) AS usage FROM matching",
        ),
        reader.rows(
            statement,
            "SELECT name, avg(average) AS average FROM scores "
            "INNER JOIN (SELECT model FROM matching) AS matched ON entity = model",
            "GROUP BY name ORDER BY name",
        ),
    )
    return [
        Stat("thread_count", "COUNT", lengths[0]["threads"]),
        *(_duration(lengths[0]["ms"]) if lengths[0]["threads"] else ()),
        *_averages(costs, scores),
    ]


async def trace_stats(reader: Reader, scope: Scope, wanted: Page) -> list[Stat]:
    """Return trace_count, duration (ms), how many have input, output and an error, and averages over traces."""
    statement = (await matching(reader, scope, wanted)).choose("matching", "live")
    counts, costs, scores = await asyncio.gather(
        reader.rows(statement, _TRACE_COUNTS.format(duration=DURATION)),
        reader.rows(
            statement,
            "SELECT avg(toFloat64(spent.cost)) AS cost, avgMap(spent.usage) AS usage, sum(llm) AS llm_spans "
            "FROM spent INNER JOIN (SELECT id FROM matching) AS matched ON trace_id = id",
        ),
        reader.rows(
            statement,
            "SELECT name, avg(average) AS average FROM scores "
            "INNER JOIN (SELECT toUInt128(id) AS trace FROM matching) AS matched ON entity = trace",
            "GROUP BY name ORDER BY name",
        ),
    )
    found = counts[0]
    traces = found["traces"]
    if not traces:
        return [Stat("trace_count", "COUNT", 0)]
    return [
        Stat("trace_count", "COUNT", traces),
        *_duration(found["ms"]),
        Stat("input", "COUNT", found["inputs"]),
        Stat("output", "COUNT", found["outputs"]),
        Stat("tags", "AVG", found["tagged"]),
        Stat("error_count", "COUNT", found["errors"]),
        Stat("llm_span_count", "AVG", costs[0]["llm_spans"] / traces),
        *_averages(costs, scores),
    ]


def _duration(quantiles: Sequence[float | None]) -> list[Stat]:
    return [Stat("duration", "PERCENTAGE", dict(zip(("p50", "p90", "p99"), quantiles, strict=True)))]


def _averages(costs: Sequence[Mapping[str, Any]], scores: Sequence[Mapping[str, Any]]) -> list[Stat]:
    spent = [Stat("total_estimated_cost", "AVG", row["cost"]) for row in costs if row["cost"]]
    used = [Stat(f"usage.{name}", "AVG", average) for row in costs for name, average in sorted(row["usage"].items())]
    return spent + used + [Stat(f"feedback_scores.{row['name']}", "AVG", row["average"]) for row in scores]
