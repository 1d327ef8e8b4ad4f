"""A project of many conversations in storage, made inside ClickHouse and folded as the sink folds.

Of each BLOCK_TRACES traces the first LONG_TURNS are one long conversation, the others are dealt round the rest of the
block's threads, so that conversations overlap in time and their rows have to be found. Everything follows from the
number of a trace; a run has the same rows as the one before.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pipeline.adapters.clickhouse.client import PARTITIONS_PER_INSERT_MAX, ClickHouse, new_token
from pipeline.events.identity import project_id
from pipeline.query.parts import MODEL
from pipeline.sinks.fold import fold
from pipeline.sinks.ranges import Covered, Span

WORKSPACE: Final = "bench"
PROJECT_NAME: Final = "Archive"
PROJECT_ID: Final = project_id(WORKSPACE, PROJECT_NAME)

BLOCK_TRACES: Final = 2000
BLOCK_THREADS: Final = 100
LONG_TURNS: Final = 100

_LOG_ID: Final = UUID(int=1_760_000_000_000 << 80 | 7 << 76 | 2 << 62 | 1)
_BEGAN_US: Final = 1_760_000_000_000_000
_STEP_US: Final = 7_776_000
"""From one trace to the next: a million of them take 90 days, so that months, which are partitions, pass."""
_INSERT_TRACES: Final = 50_000
_WORDS: Final = "the answer to this question is in the second part of the document that we have read before "

_TRACE: Final = f"""
    number AS turn,
    toInt64({_BEGAN_US} + turn * {_STEP_US}) AS began_us,
    intDiv(turn, {BLOCK_TRACES}) AS block,
    turn % {BLOCK_TRACES} AS place,
    block * {BLOCK_THREADS} + if(
        place < {LONG_TURNS}, 0, 1 + (place - {LONG_TURNS}) % {BLOCK_THREADS - 1}
    ) AS thread,
    'bench' AS workspace,
    began_us + 2000000 AS version_us,
    version_us AS received_at_us,
    toUUID({{project_id:String}}) AS project_id,
    '{PROJECT_NAME}' AS project_name,
    toUUID('{_LOG_ID}') AS log_id,
    turn AS log_offset,
    intDiv(version_us, 1000) AS appended_at_ms"""


def _uuid7_sql(seed: str) -> str:
    """Return the SQL of a UUIDv7 of the time `began_us`, whose random half follows from `seed`."""
    first = "bitOr(bitShiftLeft(toUInt128(intDiv(began_us, 1000)), 16), toUInt128(0x7000))"
    second = f"bitOr(bitAnd(sipHash64({seed}), 0x3FFFFFFFFFFFFFFF), 0x8000000000000000)"
    return f"toUUID(lower(leftPad(hex(bitOr(bitShiftLeft({first}, 64), toUInt128({second}))), 32, '0')))"


_TRACES: Final = f"""
INSERT INTO trace_events (
    workspace, version_us, received_at_us, id, event, project_id, project_name, thread_id, name, start_time_us,
    end_time_us, input, output, source, environment, log_id, log_partition, log_offset, appended_at_ms
)
WITH {_TRACE}
SELECT
    workspace, version_us, received_at_us, {_uuid7_sql("turn, 'trace'")}, 'create', project_id, project_name,
    lower(hex(MD5(toString(thread)))), 'chat', began_us, began_us + 1500000 + turn % 100000,
    concat('{{"question":"', toString(turn), ' ', substring(repeat('{_WORDS}', 4), 1 + turn % 90, 200), '"}}'),
    concat('{{"answer":"', toString(turn), ' ', substring(repeat('{_WORDS}', 9), 1 + turn % 90, 600), '"}}'),
    'sdk', if(thread % 10 = 0, 'staging', 'production'), log_id, 0, log_offset, appended_at_ms
FROM numbers({{first:UInt64}}, {{count:UInt64}})"""  # noqa: S608 - made of our own constants only

_SPANS: Final = f"""
INSERT INTO span_events (
    workspace, version_us, received_at_us, id, trace_id, event, project_id, project_name, type, name, start_time_us,
    end_time_us, input, output, model, provider, usage, total_estimated_cost,
    log_id, log_partition, log_offset, appended_at_ms
)
WITH {_TRACE}
SELECT
    workspace, version_us, received_at_us, {_uuid7_sql("turn, 'span'")}, {_uuid7_sql("turn, 'trace'")}, 'create',
    project_id, project_name, 'llm', 'completion', began_us, began_us + 1400000, '{{}}', '{{}}', 'gpt-4o-mini',
    'openai', map('prompt_tokens', 300 + turn % 100, 'completion_tokens', 150, 'total_tokens', 450 + turn % 100),
    toDecimal64(0.0001, 9), log_id, 0, log_offset, appended_at_ms
FROM numbers({{first:UInt64}}, {{count:UInt64}})"""  # noqa: S608 - made of our own constants only

_SESSION: Final = f"""
    'bench' AS workspace, {{project_id:UUID}} AS project_id, thread_id,
    toUUID(lower(leftPad(hex({MODEL}), 32, '0'))) AS thread_model_id,
    min(activity_offset) AS first, max(activity_offset) AS last,
    min(created_at_us) AS opened_at_us, max(created_at_us) AS active_at_us, active_at_us + 900000000 AS overdue_us,
    toUUID('{_LOG_ID}') AS log_id"""

_SESSIONS: Final = f"""
INSERT INTO thread_events (
    workspace, version_us, received_at_us, project_id, thread_id, thread_model_id, event, session_id, session_log_id,
    session_partition, first_offset, last_offset, opened_at_us, last_activity_at_us, closed_at_us, reason, activities,
    log_id, log_partition, log_offset, appended_at_ms
)
SELECT
    workspace, changed_at_us, changed_at_us, project_id, thread_id, thread_model_id, event,
    concat(toString(log_id), '-0-', toString(first)), log_id, 0, first, if(event = 'opened', first, last),
    opened_at_us, if(event = 'opened', opened_at_us, active_at_us), closed_at_us, reason, 1,
    log_id, 0, 2 * first + (event = 'closed'), intDiv(changed_at_us, 1000)
FROM (
    SELECT
        {_SESSION},
        arrayJoin(['opened', 'closed']) AS event,
        if(event = 'opened', opened_at_us, overdue_us) AS changed_at_us,
        if(event = 'opened', NULL, overdue_us) AS closed_at_us,
        if(event = 'opened', NULL, 'inactive') AS reason
    FROM traces FINAL
    WHERE workspace = 'bench' AND project_id = {{project_id:UUID}}
    GROUP BY thread_id
)
WHERE event = 'opened' OR cityHash64(thread_id) % 50 > 0"""  # noqa: S608 - made of our own constants only

_SCORES: Final = f"""
INSERT INTO score_events (
    workspace, version_us, received_at_us, entity_type, entity_id, event, name, value, source, reason, project_id,
    project_name, thread_id, decided_log_id, decided_offset, log_id, log_partition, log_offset, appended_at_ms
)
SELECT
    workspace, overdue_us, overdue_us, 'thread', thread_model_id, 'set', 'helpful',
    toDecimal64((cityHash64(thread_id) % 100) / 100, 9), 'online_scoring', 'as judged', project_id, '{PROJECT_NAME}',
    thread_id, log_id, last, log_id, 0, first, intDiv(overdue_us, 1000)
FROM (
    SELECT {_SESSION}
    FROM traces FINAL
    WHERE workspace = 'bench' AND project_id = {{project_id:UUID}}
    GROUP BY thread_id
)
WHERE cityHash64(thread_id) % 5 = 0"""  # noqa: S608 - made of our own constants only

_TAGS: Final = f"""
INSERT INTO annotation_events (
    workspace, version_us, received_at_us, entity_type, entity_id, annotation, event, tags_added,
    log_id, log_partition, log_offset, appended_at_ms
)
SELECT
    workspace, overdue_us, overdue_us, 'thread', thread_model_id, 'tags', 'set', ['reviewed'],
    log_id, 0, first, intDiv(overdue_us, 1000)
FROM (
    SELECT {_SESSION}
    FROM traces FINAL
    WHERE workspace = 'bench' AND project_id = {{project_id:UUID}}
    GROUP BY thread_id
)
WHERE cityHash64(thread_id) % 50 = 1"""  # noqa: S608 - made of our own constants only


_MONTHS: Final = """
SELECT DISTINCT partition_id FROM system.parts
WHERE database = currentDatabase() AND table = {table:String} AND active
ORDER BY partition_id"""


@dataclass(frozen=True, slots=True)
class Archive:
    """How much there is: `traces`, each with one span, over a twentieth as many threads."""

    traces: int

    @property
    def threads(self) -> int:
        """How many threads the traces are in; a last block that is not full may have fewer."""
        return self.traces * BLOCK_THREADS // BLOCK_TRACES

    @property
    def long_threads(self) -> int:
        """How many of them have LONG_TURNS traces."""
        return self.traces // BLOCK_TRACES


def long_thread(number: int) -> str:
    """Return the thread id of one of the conversations of LONG_TURNS traces."""
    return thread_id(number * BLOCK_THREADS)


def thread_id(number: int) -> str:
    """Return the id of a thread; ids say nothing of time, as those of clients do not, so no order of rows helps."""
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()


async def fill(client: ClickHouse, archive: Archive) -> None:
    """Store `archive` in migrated tables that hold nothing of it yet, as inserts of the size that sinks write."""
    for first in range(0, archive.traces, _INSERT_TRACES):
        count = min(_INSERT_TRACES, archive.traces - first)
        for table, sql in (("trace_events", _TRACES), ("span_events", _SPANS)):
            await _insert(client, sql, {"project_id": str(PROJECT_ID), "first": first, "count": count})
            await fold(client, table, _covered(table, first, count))
    for sql in (_SESSIONS, _SCORES, _TAGS):
        await _insert(client, sql, {"project_id": str(PROJECT_ID)})


async def settle(client: ClickHouse) -> None:
    """Merge every month but the last, as ClickHouse has done with months that are over; the last stays in parts."""
    for table in ("traces", "spans"):
        months = await client.rows(_MONTHS, {"table": table})
        for month in months[:-1]:
            await client.command(
                f"OPTIMIZE TABLE {table} PARTITION ID {{month:String}} FINAL", {"month": month["partition_id"]}
            )


async def _insert(client: ClickHouse, sql: str, parameters: Mapping[str, object]) -> None:
    settings: dict[str, str | int] = {
        "insert_deduplication_token": new_token(),
        "max_partitions_per_insert_block": PARTITIONS_PER_INSERT_MAX,
    }
    await client.command(sql, parameters, settings=settings)


def _covered(table: str, first: int, count: int) -> Covered:
    last = first + count - 1
    return Covered(_LOG_ID, table, {0: Span(first, last)}, count, _appended_at_ms(first), _appended_at_ms(last))


def _appended_at_ms(number: int) -> int:
    return (_BEGAN_US + number * _STEP_US + 2_000_000) // 1000
