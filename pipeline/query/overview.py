"""What happened in a project lately: counts, scores and delays in steps of equal length, for charts.

Everything is counted from the events themselves, by their times in the log or of receipt, so that a step that is over
does not change any more. Dead letters belong to no project: those of the workspace are shown.
"""

import asyncio
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.adapters.clock import Clock
from pipeline.errors import Malformed
from pipeline.events.identity import DEFAULT_PROJECT_NAME, NIL_ID, project_id
from pipeline.query.reader import Reader
from pipeline.query.statement import Scope, Statement
from pipeline.query.times import iso

HOURS_MAX: Final = 24 * 31
STEPS_MAX: Final = 60
"""Charts have at most about so many points; a step is one of `_STEPS_SECONDS`."""
SCORE_NAMES_MAX: Final = 6
_STEPS_SECONDS: Final = (60, 300, 900, 3600, 4 * 3600, 24 * 3600)
_SECOND_US: Final = 1_000_000

_SESSIONS: Final = """
SELECT intDiv(at_us, {step:Int64}) AS step, uniqExactIf(session_id, event = 'opened') AS opened,
    uniqExactIf(session_id, event = 'closed') AS closed,
    quantilesIf(0.5, 0.99)(delay_ms, event = 'closed' AND reason = 'inactive') AS delays
FROM (
    SELECT session_id, event, reason, if(event = 'closed', ifNull(closed_at_us, 0), opened_at_us) AS at_us,
        appended_at_ms - at_us / 1000 AS delay_ms
    FROM thread_events FINAL
    WHERE workspace = {workspace:String} AND project_id = {project_id:UUID} AND event IN ('opened', 'closed')
)
WHERE at_us >= {from:Int64}
GROUP BY step"""
_OPEN: Final = """
SELECT uniqExactIf(session_id, event = 'opened') - uniqExactIf(session_id, event = 'closed') AS open
FROM thread_events
WHERE workspace = {workspace:String} AND project_id = {project_id:UUID} AND event IN ('opened', 'closed')"""
_TRACES: Final = """
SELECT intDiv(created_at_us, {step:Int64}) AS step, 2 * countIf(thread_id != '') AS messages, count() AS traces,
    countIf(error_preview IS NOT NULL) AS failed
FROM traces FINAL
WHERE workspace = {workspace:String} AND project_id = {project_id:UUID} AND created_at_us >= {from:Int64}
GROUP BY step"""
# Who scores one trace names no project, and a client that was told of none names the Default Project: those scores
# belong where the trace, or span, lies. They alone are looked up, by id.
_HOMELESS: Final = """
    SELECT {entity} FROM score_events
    WHERE workspace = {{workspace:String}} AND entity_type = '{type}' AND event = 'set' AND version_us >= {{from:Int64}}
      AND project_id IN ({{nil:UUID}}, {{default_project:UUID}})"""
_HOMES: Final = """
    SELECT '{type}' AS type, toUInt128(id) AS entity,
        argMaxIf(project_id, (version_us, content_hash), project_id != {{nil:UUID}}) AS newest,
        if(newest = {{nil:UUID}}, {{default_project:UUID}}, newest) AS home
    FROM {events}
    WHERE workspace = {{workspace:String}} AND event != 'delete' AND {id} IN ({homeless})
    GROUP BY entity"""
_TRACE_HOMES: Final = _HOMES.format(
    type="trace", events="trace_fields", id="toUInt128(id)",
    homeless=_HOMELESS.format(entity="toUInt128(entity_id)", type="trace"),
)  # fmt: skip
_SPAN_HOMES: Final = _HOMES.format(
    type="span", events="span_events", id="id", homeless=_HOMELESS.format(entity="entity_id", type="span")
)
_SCORES: Final = f"""
SELECT intDiv(version_us, {{step:Int64}}) AS step, name, avg(toFloat64(value)) AS average, count() AS number
FROM (
    SELECT version_us, name, value, project_id AS named, toString(entity_type) AS type, toUInt128(entity_id) AS entity
    FROM score_events FINAL
    WHERE workspace = {{workspace:String}} AND event = 'set' AND version_us >= {{from:Int64}}
      AND project_id IN ({{project_id:UUID}}, {{nil:UUID}}, {{default_project:UUID}})
) AS given
LEFT JOIN ({_TRACE_HOMES}
    UNION ALL {_SPAN_HOMES}
) AS homes USING (type, entity)
WHERE multiIf(
    named NOT IN ({{nil:UUID}}, {{default_project:UUID}}), named, home != {{nil:UUID}}, home, named
) = {{project_id:UUID}}
GROUP BY step, name"""  # noqa: S608 - composed of constants
_DEAD_LETTERS: Final = """
SELECT intDiv(received_at_us, {step:Int64}) AS step, count() AS letters
FROM dead_letters FINAL
WHERE workspace = {workspace:String} AND received_at_us >= {from:Int64}
GROUP BY step"""


class Span(NamedTuple):
    """How far back to look, and in which steps."""

    hours: int
    step_seconds: int


class Series(msgspec.Struct, kw_only=True):
    """One value a step, the oldest first; None where there is nothing to say."""

    name: str
    values: list[float | None]


class Overview(msgspec.Struct, kw_only=True):
    """Steps begin at `starts`. Delays are milliseconds from a deadline to the published close."""

    step_seconds: int
    starts: list[str]
    open_threads: int
    threads: list[Series]
    traces: list[Series]
    close_delay_ms: list[Series]
    scores: list[Series]
    dead_letters: list[Series]


def span_of(hours: str | None) -> Span:
    """Return what `hours` asks for, a day where it is absent; raises Malformed outside 1..744."""
    text = "24" if hours is None else hours
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:9]) <= HOURS_MAX:
        raise Malformed(f"hours must be 1..{HOURS_MAX}", field="hours")
    number = int(text)
    fitting = (step for step in _STEPS_SECONDS if number * 3600 / step <= STEPS_MAX)
    return Span(number, next(fitting, _STEPS_SECONDS[-1]))


async def overview(reader: Reader, clock: Clock, scope: Scope, wanted: Span) -> Overview:
    """Return the figures of a project up to now; the step that is going on is the last one."""
    step_us = wanted.step_seconds * _SECOND_US
    last = clock.now_us() // step_us
    steps = range(last - wanted.hours * 3600 // wanted.step_seconds + 1, last + 1)
    default_project = str(project_id(scope.workspace, DEFAULT_PROJECT_NAME))
    begin = {"step": step_us, "from": steps[0] * step_us}
    given = Statement({}, scope.parameters(**begin, nil=str(NIL_ID), default_project=default_project))
    sessions, opened, traces, scores, letters = await asyncio.gather(
        *(reader.ask(sql, given.parameters(sql)) for sql in (_SESSIONS, _OPEN, _TRACES, _SCORES, _DEAD_LETTERS))
    )
    delays = [row | {"p50": row["delays"][0], "p99": row["delays"][1]} for row in sessions]
    return Overview(
        step_seconds=wanted.step_seconds,
        starts=[iso(step * step_us) for step in steps],
        open_threads=max(0, opened[0]["open"]),
        threads=[_counted(sessions, name, steps) for name in ("opened", "closed")],
        traces=[_counted(traces, name, steps) for name in ("messages", "traces", "failed")],
        close_delay_ms=[_known(delays, name, steps, name) for name in ("p50", "p99")],
        scores=_by_name(scores, steps),
        dead_letters=[_counted(letters, "letters", steps)],
    )


def _counted(rows: Sequence[Mapping[str, Any]], name: str, steps: range) -> Series:
    """Return counts; a step without a row has none of them."""
    found = {row["step"]: row[name] for row in rows}
    return Series(name=name, values=[found.get(step, 0) for step in steps])


def _known(rows: Sequence[Mapping[str, Any]], column: str, steps: range, name: str) -> Series:
    """Return what is no count: of a step without a row nothing is known, nor where the value is no number."""
    found = {row["step"]: round(float(row[column]), 3) for row in rows if isfinite(row[column])}
    return Series(name=name, values=[found.get(step) for step in steps])


def _by_name(rows: Sequence[Mapping[str, Any]], steps: range) -> list[Series]:
    """Return the averages of the scores that were given most often, by name."""
    numbers: dict[str, int] = {}
    for row in rows:
        numbers[row["name"]] = numbers.get(row["name"], 0) + row["number"]
    names = sorted(numbers, key=lambda name: (-numbers[name], name))[:SCORE_NAMES_MAX]
    return [_known([row for row in rows if row["name"] == name], "average", steps, name) for name in sorted(names)]
