"""What belongs to an erased trace or thread, table by table, as SQL over the table `erased`.

Kept of what is erased are ids and times: the tombstones of traces and spans, that a thread was deleted and when, and
the folded rows that say that a trace is gone. Whatever has a payload, a name or a remark goes.
"""

# ruff: noqa: S608 - all is composed of our own constants

from dataclasses import dataclass
from typing import Final

from pipeline.events.controls import COMMAND_KINDS
from pipeline.events.identity import DEFAULT_WORKSPACE
from pipeline.sinks.fold import DEFAULT_PROJECT_SQL, project_sql
from pipeline.topics import ANNOTATIONS, DEAD_LETTERS, SCORES, SPANS, THREADS, TRACES

_NIL: Final = "toUUID('00000000-0000-0000-0000-000000000000')"
PLAN: Final = "__PLAN__"
"""Stands for the plan of the rows of `erased` that count: ours, of letters and digits, or empty."""

_OF_TYPE: Final = f"FROM erased WHERE plan = '{PLAN}' AND entity_type ="
_TRACES: Final = f"(SELECT workspace, toUInt128(entity_id) {_OF_TYPE} 'trace')"
_SPANS: Final = f"(SELECT workspace, toUInt128(entity_id) {_OF_TYPE} 'span')"
_THREADS: Final = f"(SELECT workspace, toUInt128(entity_id) {_OF_TYPE} 'thread')"
_PLACES: Final = f"(SELECT workspace, project_id, thread_id {_OF_TYPE} 'thread')"
_THREAD_KEY: Final = "concat('thread\\t', workspace, '\\t', toString(project_id), '\\t', thread_id)"
_MODEL_KEY: Final = "concat(workspace, '\\t', toString(entity_id))"


def _moment(key: str, expression: str) -> str:
    """Return the SQL of when the thread was erased whose `key` in `erased` is `expression`; -1 if it was not."""
    keys = f"SELECT {key} AS thread, max(erased_at_us) AS at {_OF_TYPE} 'thread' GROUP BY thread ORDER BY thread"
    names, moments = (f"(SELECT groupArray({column}) FROM ({keys}))" for column in ("thread", "at"))
    return f"transform({expression}, arrayPushBack({names}, ''), arrayPushBack({moments}, toInt64(-1)), toInt64(-1))"


_SAID_AT: Final = "least(version_us, appended_at_ms * 1000)"
_OF_ENTITY: Final = f"""(
    (entity_type = 'trace' AND (workspace, toUInt128(entity_id)) IN {_TRACES})
    OR (entity_type = 'span' AND (workspace, toUInt128(entity_id)) IN {_SPANS})
    OR (entity_type = 'thread' AND (workspace, toUInt128(entity_id)) IN {_THREADS}
        AND {_SAID_AT} <= {_moment(_MODEL_KEY, _MODEL_KEY)})
)"""
_SAYS_NOTHING: Final = "event = 'delete' AND isNull(name) AND empty(tags_added) AND empty(tags_removed)"
_COMMANDS: Final = ", ".join(f"'{kind}'" for kind in sorted(COMMAND_KINDS - {"delete"}))

_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TEXT: Final = "tryBase64Decode(ifNull(value, ''))"


def _members(name: str) -> str:
    """Return the SQL of the texts that a letter, JSON or not, gives for the member `name`, decoded."""
    found = f"""extractAll({_TEXT}, '"{name}"\\\\s*:\\\\s*"((?:[^"\\\\\\\\]|\\\\\\\\.)*)"')"""
    return f"""arrayMap(text -> JSONExtractString(concat('"', text, '"')), {found})"""


# A letter that names no project is taken for one of any project: of a patch nobody else knows it.
_NAMED_PROJECTS: Final = f"""arrayConcat(
    {_members("project_id")},
    arrayMap(name -> toString({project_sql("lowerUTF8(trimBoth(name))")}), {_members("project_name")})
)"""
_ALL_THREADS: Final = f"(SELECT groupArray((workspace, toString(project_id), thread_id)) {_OF_TYPE} 'thread')"
_OTHERS: Final = f"FROM erased WHERE plan = '{PLAN}' AND entity_type != 'thread'"
_ALL_IDS: Final = f"(SELECT groupArray((workspace, toString(entity_id))) {_OTHERS})"
_LETTERS: Final = f"""(
    tryBase64Decode(ifNull(key, '')) IN (SELECT {_THREAD_KEY} {_OF_TYPE} 'thread')
    OR arrayExists(
        found -> has({_ALL_IDS}, (workspace, found)) OR (
            workspace = '{DEFAULT_WORKSPACE}' AND has({_ALL_IDS}.2, found)
        ),
        extractAll(lower(concat({_TEXT}, ' ', tryBase64Decode(ifNull(key, '')))), '{_UUID}')
    )
    OR arrayExists(
        thread -> thread.1 = workspace AND has({_members("thread_id")}, thread.3)
            AND (empty({_NAMED_PROJECTS}) OR has({_NAMED_PROJECTS}, thread.2)),
        {_ALL_THREADS}
    )
) AND appended_at_ms >= __SINCE_MS__"""
"""Dead letters of erased things, by their bytes: the key of a thread, the id of a trace or span, or a thread's id. One
whose workspace could not be read stands in the default one."""


@dataclass(frozen=True, slots=True)
class Erasable:
    """Rows of one table that go: `condition` says which. A table of events has a topic."""

    table: str
    condition: str
    topic: str = ""


EVENTS: Final = (
    Erasable(
        "trace_events",
        f"(workspace, toUInt128(id)) IN {_TRACES} AND NOT ({_SAYS_NOTHING} AND thread_id = '' AND isNull(input)"
        " AND isNull(output) AND isNull(metadata) AND isNull(error_info))",
        TRACES.name,
    ),
    Erasable(
        "span_events",
        f"(workspace, toUInt128(trace_id)) IN {_TRACES} AND NOT ({_SAYS_NOTHING} AND isNull(input)"
        " AND isNull(output) AND isNull(metadata) AND isNull(error_info))",
        SPANS.name,
    ),
    Erasable("score_events", _OF_ENTITY, SCORES.name),
    Erasable("annotation_events", _OF_ENTITY, ANNOTATIONS.name),
    Erasable(
        "thread_events",
        f"(workspace, project_id, thread_id) IN {_PLACES} AND NOT (event = 'closed' AND ifNull(reason, '') = 'deleted')"
        f" AND appended_at_ms * 1000 <= {_moment(_THREAD_KEY, _THREAD_KEY)}",
        THREADS.name,
    ),
    Erasable(
        "controls",
        f"kind IN ({_COMMANDS}) AND appended_at_ms * 1000 <= {_moment(_THREAD_KEY, 'key')}",
        TRACES.name,
    ),
    Erasable("dead_letters", _LETTERS, DEAD_LETTERS.name),
)
"""Tables of events, and of what became of events."""

COPIES: Final = (
    Erasable(
        "trace_fields",
        f"(workspace, toUInt128(id)) IN {_TRACES} AND NOT ({_SAYS_NOTHING} AND thread_id = ''"
        " AND isNull(input_preview) AND isNull(output_preview) AND isNull(error_preview))",
    ),
    Erasable("traces", f"(workspace, toUInt128(id)) IN {_TRACES} AND is_deleted = 0"),
    Erasable("thread_traces", f"(workspace, toUInt128(id)) IN {_TRACES} AND is_deleted = 0"),
    Erasable("spans", f"(workspace, toUInt128(trace_id)) IN {_TRACES}"),
    Erasable(
        "threads",
        f"((workspace, toUInt128(first_id)) IN {_TRACES} OR (workspace, toUInt128(last_id)) IN {_TRACES})",
    ),
    Erasable(
        "threads_by_first_trace",
        f"((workspace, toUInt128(first_id)) IN {_TRACES} OR (workspace, toUInt128(last_id)) IN {_TRACES})",
    ),
    Erasable("thread_previews", f"(workspace, toUInt128(trace_id)) IN {_TRACES}"),
)
"""What follows from those tables."""

TOUCHED: Final = f"""
    SELECT workspace, project_id, thread_id FROM thread_traces WHERE (workspace, toUInt128(id)) IN {_TRACES}
    UNION DISTINCT
    SELECT workspace, project_id, thread_id {_OF_TYPE} 'thread'"""
"""Threads in which erased traces are, or ever were: their rows count what is gone, and are folded again."""

FIND_TRACES: Final = f"""
INSERT INTO erased (plan, workspace, entity_type, entity_id, erased_at_us)
SELECT '{PLAN}', workspace, 'trace', id, erased_until_us
FROM (
    SELECT
        workspace, id, least(min(version_us), min(appended_at_ms) * 1000) AS began_us,
        argMaxIf(project_id, (version_us, content_hash), project_id != {_NIL}) AS newest_project,
        if(newest_project = {_NIL}, {DEFAULT_PROJECT_SQL}, newest_project) AS home_project,
        argMaxIf(thread_id, (version_us, content_hash), thread_id != '') AS newest_thread
    FROM trace_fields
    WHERE (workspace, toUInt128(id)) IN (
        SELECT workspace, toUInt128(id) FROM trace_events
        WHERE (workspace, thread_id) IN (SELECT workspace, thread_id {_OF_TYPE} 'thread')
    )
    GROUP BY workspace, id
) AS found
INNER JOIN (
    SELECT
        workspace, project_id AS home_project, thread_id AS newest_thread, max(erased.erased_at_us) AS erased_until_us
    {_OF_TYPE} 'thread'
    GROUP BY workspace, project_id, thread_id
) AS threads USING (workspace, home_project, newest_thread)
WHERE began_us <= erased_until_us AND (workspace, toUInt128(id)) NOT IN {_TRACES}"""
"""A trace is in the thread that the newest event which names one names, as it is folded."""
FIND_SPANS: Final = f"""
INSERT INTO erased (plan, workspace, entity_type, entity_id, erased_at_us)
SELECT DISTINCT '{PLAN}', workspace, 'span', id, 0
FROM span_events
WHERE (workspace, toUInt128(trace_id)) IN {_TRACES} AND (workspace, toUInt128(id)) NOT IN {_SPANS}"""

NOTED: Final = """(log_id, log_partition, log_offset) IN (
    SELECT log_id, log_partition, log_offset FROM deleted_places WHERE topic = '__TOPIC__'
)"""
"""Rows whose places are noted."""
NOTE_PLACES: Final = """
INSERT INTO deleted_places (topic, log_id, log_partition, log_offset, reason)
SELECT DISTINCT '__TOPIC__', log_id, log_partition, log_offset, 'erasure' FROM __TABLE__ WHERE __CONDITION__"""
NOTE_ORIGINS: Final = """
INSERT INTO deleted_places (topic, log_id, log_partition, log_offset, reason)
SELECT DISTINCT topic, origin_log_id, assumeNotNull(origin_partition), assumeNotNull(origin_offset), 'erasure'
FROM dead_letters WHERE isNotNull(origin_offset) AND __CONDITION__"""
"""Where the records stood that erased dead letters hold."""

DECREE: Final = f"""
INSERT INTO erased (plan, workspace, entity_type, entity_id, project_id, thread_id, erased_at_us)
SELECT
    '', workspace, entity_type, entity_id, project_id, thread_id,
    greatest(max(erased_at_us), max(deleted_at_ms) * 1000 + 999)
FROM (SELECT *, {_THREAD_KEY} AS key FROM erased WHERE plan = '{PLAN}') AS planned
LEFT JOIN (
    SELECT key, max(appended_at_ms) AS deleted_at_ms FROM controls WHERE kind = 'delete' GROUP BY key
) AS asked ON planned.key = asked.key AND planned.entity_type = 'thread'
GROUP BY workspace, entity_type, entity_id, project_id, thread_id"""
"""Puts a plan in force. A thread is erased as of when the broker took the command to delete it, if that is stored."""
DONE: Final = """
INSERT INTO erased
SELECT * REPLACE (1 AS is_done) FROM erased FINAL WHERE plan = '' AND NOT is_done"""
