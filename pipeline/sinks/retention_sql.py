"""What is past its retention, table by table, as SQL; a cutoff is the beginning of the first month that is kept."""

# ruff: noqa: S608 - all is composed of our own constants

from dataclasses import dataclass
from typing import Final

from pipeline.events.controls import COMMAND_KINDS
from pipeline.sinks.thread_fold import OF_THREADS
from pipeline.topics import ANNOTATIONS, DEAD_LETTERS, SCORES, SPANS, THREADS, TRACES


@dataclass(frozen=True, slots=True)
class Expiring:
    """A table with rows that expire; `condition` says which, where they are not whole months. Events have a topic.

    Copies of events go with the events, not before: the events are found by them.
    """

    name: str
    topic: str = ""
    condition: str = ""
    are_copies: bool = False


MONTHS: Final = (
    Expiring("trace_events", TRACES.name),
    Expiring("traces"),
    Expiring("thread_traces"),
    Expiring("trace_fields"),
    Expiring("spans"),
    Expiring("span_events", SPANS.name),
    Expiring("score_events", SCORES.name),
)
"""Tables that are divided by the month of an id. Each is asked for its own months: who folds while a month is dropped
may put a row back."""


def aside(table: str) -> str:
    """Return the table in which months of `table` wait for their end."""
    return f"expiring_{table}"


def _cutoff(workspace: str = "workspace") -> str:
    return f"transform({workspace}, {{names:Array(String)}}, {{cutoffs:Array(Int64)}}, {{others:Int64}})"


def _last_said(columns: str, source: str, where: str = "1") -> str:
    """Return the SQL of the things of `source` of which nothing was appended since the cutoff."""
    return f"""(
    SELECT {columns} FROM {source} WHERE {where}
    GROUP BY {columns} HAVING max(appended_at_ms) * 1000 < {_cutoff()}
)"""


_NO_TIME: Final = "_partition_id = '197001'"
_TRACES: Final = _last_said("workspace, toUInt128(id)", "trace_fields", _NO_TIME)
_OF_SPANS: Final = _last_said("workspace, toUInt128(trace_id)", "span_events", _NO_TIME)
_SCORED: Final = _last_said(
    "workspace, toUInt128(entity_id)", "score_events", f"{_NO_TIME} AND entity_type != 'thread'"
)
_REMARKED: Final = _last_said(
    "workspace, toUInt128(entity_id)", "annotation_events", "entity_type IN ('trace', 'span')"
)
_KEY: Final = "workspace, project_id, thread_id"
_SILENT: Final = _last_said(_KEY, "thread_events")
_GONE: Final = f"({_KEY}) IN {_SILENT} AND ({_KEY}) NOT IN (SELECT {_KEY} FROM thread_traces)"
_GONE_MODELS: Final = f"(SELECT workspace, toUInt128(thread_model_id) FROM thread_events WHERE {_GONE})"
_OF_GONE: Final = f"entity_type = 'thread' AND (workspace, toUInt128(entity_id)) IN {_GONE_MODELS}"
_IS_LIMITED: Final = f"{_cutoff()} > toInt64('-9223372036854775808')"
_OLD: Final = f"updated_us < {_cutoff()}"
_COMMANDS: Final = ", ".join(f"'{kind}'" for kind in sorted(COMMAND_KINDS))

TIMELESS: Final = (
    *(
        Expiring(
            table, condition=f"({_KEY}) IN (SELECT {_KEY} FROM thread_traces WHERE {_NO_TIME} AND"
            f" (workspace, toUInt128(id)) IN {_TRACES})",
        )
        for table in OF_THREADS
    ),
    Expiring("trace_events", TRACES.name, f"{_NO_TIME} AND (workspace, toUInt128(id)) IN {_TRACES}"),
    Expiring("traces", condition=f"{_NO_TIME} AND (workspace, toUInt128(id)) IN {_TRACES}"),
    Expiring("thread_traces", condition=f"{_NO_TIME} AND (workspace, toUInt128(id)) IN {_TRACES}"),
    Expiring("trace_fields", TRACES.name, f"{_NO_TIME} AND (workspace, toUInt128(id)) IN {_TRACES}", are_copies=True),
    Expiring("spans", condition=f"{_NO_TIME} AND (workspace, toUInt128(trace_id)) IN {_OF_SPANS}"),
    Expiring("span_events", SPANS.name, f"{_NO_TIME} AND (workspace, toUInt128(trace_id)) IN {_OF_SPANS}"),
    Expiring(
        "score_events", SCORES.name,
        f"{_NO_TIME} AND entity_type != 'thread' AND (workspace, toUInt128(entity_id)) IN {_SCORED}",
    ),
)  # fmt: skip
"""Rows under ids without a time (those of OpenTelemetry): they go when nothing was said of them since the cutoff. What
others are found by comes after them."""

BY_ROW: Final = (
    Expiring(
        "annotation_events", ANNOTATIONS.name,
        f"entity_type IN ('trace', 'span') AND (workspace, toUInt128(entity_id)) IN {_REMARKED}",
    ),
    Expiring("annotation_events", ANNOTATIONS.name, _OF_GONE),
    Expiring("score_events", SCORES.name, _OF_GONE),
    Expiring("thread_ids", condition=f"(workspace, toUInt128(thread_model_id)) IN {_GONE_MODELS}"),
    Expiring("thread_sessions", condition=_GONE),
    Expiring("thread_events", THREADS.name, _GONE),
    Expiring(
        "controls", TRACES.name,
        f"kind IN ({_COMMANDS}) AND appended_at_ms * 1000 < {_cutoff('splitByChar(char(9), key)[2]')}",
    ),
    *(
        Expiring(
            table, condition=f"{_OLD} AND ({_KEY}) NOT IN (SELECT {_KEY} FROM thread_traces WHERE ({_KEY}) IN"
            f" (SELECT {_KEY} FROM {table} WHERE {_OLD}))",
        )
        for table in ("threads", "threads_by_first_trace")
    ),
    Expiring("thread_previews", condition=f"{_IS_LIMITED} AND ({_KEY}) NOT IN (SELECT {_KEY} FROM threads)"),
    Expiring("dead_letters", DEAD_LETTERS.name, f"received_at_us < {_cutoff()}"),
)  # fmt: skip
"""What belongs to a thread goes when all of its traces have gone and its sessions are past the cutoff."""

THREADS_BEFORE: Final = f"""WHERE ({_KEY}) IN (
    SELECT {_KEY} FROM __TABLE__ WHERE _partition_id = {{month:String}} AND workspace IN {{over:Array(String)}}
)"""
"""Rows of threads that count traces of `__TABLE__` which are about to go: other rows could not win against them."""
WITHOUT_ROW: Final = f"SELECT DISTINCT {_KEY} FROM thread_traces WHERE ({_KEY}) NOT IN (SELECT {_KEY} FROM threads)"

WITHIN: Final = "_partition_id = {month:String} AND workspace IN {over:Array(String)}"
PUT_BACK: Final = """
INSERT INTO __TABLE__
SELECT * FROM __ASIDE__ WHERE _partition_id = {month:String} AND workspace NOT IN {over:Array(String)}"""

_KEPT_BY_KAFKA: Final = "log_id = {log:UUID} AND log_offset >= {begins:Array(UInt64)}[log_partition + 1]"
NOTE_PLACES: Final = f"""
INSERT INTO deleted_places (topic, log_id, log_partition, log_offset, reason)
SELECT DISTINCT {{topic:String}}, log_id, log_partition, log_offset, 'retention'
FROM __TABLE__ WHERE __CONDITION__ AND {_KEPT_BY_KAFKA}"""
IS_NOTED: Final = f"""(NOT ({_KEPT_BY_KAFKA}) OR (log_partition, log_offset) IN (
    SELECT log_partition, log_offset FROM deleted_places WHERE topic = {{topic:String}} AND log_id = {{log:UUID}}
))"""
"""Rows that nobody can take for lost once they are gone."""
NOTE_ORIGINS: Final = f"""
INSERT INTO deleted_places (topic, log_id, log_partition, log_offset, reason)
SELECT DISTINCT {{topic:String}}, log_id, log_partition, log_offset, 'retention'
FROM (
    SELECT
        origin_log_id AS log_id, assumeNotNull(origin_partition) AS log_partition,
        assumeNotNull(origin_offset) AS log_offset
    FROM dead_letters WHERE isNotNull(origin_offset) AND __CONDITION__
)
WHERE {_KEPT_BY_KAFKA}"""
FORGET_PLACES: Final = f"topic = {{topic:String}} AND NOT ({_KEPT_BY_KAFKA})"
