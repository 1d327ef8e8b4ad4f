"""Fold the threads that inserts touched: one narrow row a thread in `threads`, and what it says in `thread_previews`.

A thread is folded from the folded rows of its traces (`thread_traces`) and of their spans. The version of its row is
the number of distinct events in it: those of every trace that was ever there, gone ones included, and of their spans.
Each sink folds traces or spans first and threads after, so of all folds of a thread the one that begins last finds
every event of it in those rows; no other row can count more events, and one that counts as many says the same.

The threads that inserts touch lie anywhere among all others, so what a fold reads of a trace must be little: numbers
and ids, no text. A row only names the traces in which the first and the last message stand, each by its id and by how
many events it was folded from; the beginning of a message goes out under that name, and only if its trace is among
those that were touched. So nothing that is shown is ever older, or newer, than the row: where a reader does not find
the name it reads the message itself. (That is so where a trace becomes the first or the last, or the thread's oldest,
by what happened to another one.)

Spans are looked for only if there are any at all (`ANY_SPANS`). That is asked before a fold begins, and a fold that is
told of none reads none: it is as if it began when the question was asked. Who stores a span after that asks after that,
too, and finds it; so of all folds the last to ask still finds every event.

Deletions of threads are not in it, since they come over another topic: reads fold the threads that were ever deleted
from `traces` themselves.
"""

from collections.abc import Iterable
from typing import Final

from pipeline.adapters.clickhouse.thread_sql import COLUMNS, folded, model_sql
from pipeline.sinks.ranges import covered_sql

_NIL: Final = "toUUID('00000000-0000-0000-0000-000000000000')"

# Every named project, and the default for events without one, with every named thread: all places where a fold of the
# trace can have left a row.
_TOUCHED: Final = """
    SELECT workspace, project, thread
    FROM (
        SELECT
            workspace,
            groupUniqArray(if(project_id = {nil}, {default_project}, project_id)) AS named_projects,
            groupUniqArrayIf(thread_id, thread_id != '') AS named_threads
        FROM trace_fields
        WHERE (workspace, toUInt128(id)) IN ({ids})
        GROUP BY workspace, id
    )
    ARRAY JOIN named_projects AS project
    ARRAY JOIN named_threads AS thread"""
_IDS: Final = {
    "trace_events": "SELECT workspace, toUInt128(id) FROM trace_fields WHERE {covered}",
    "span_events": "SELECT workspace, toUInt128(trace_id) FROM span_events WHERE {covered}",
}
# What touched traces say, as the fold of traces has it.
_TOLD: Final = """
    SELECT
        workspace, id, toUInt32(uniqExact(log_id, log_partition, log_offset)) AS events,
        argMax(input_preview, (bitShiftLeft(toInt128(version_us), 64) + content_hash)) AS input_preview,
        argMax(output_preview, (bitShiftLeft(toInt128(version_us), 64) + content_hash)) AS output_preview
    FROM trace_fields
    WHERE (workspace, toUInt128(id)) IN ({ids})
    GROUP BY workspace, id"""
_TOLD_BY_ALL: Final = """
    SELECT workspace, id, traces.events AS events, input_preview, output_preview
    FROM traces FINAL
    PREWHERE (workspace, project_id, thread_id) IN ({touched})"""

# Numbers of the newest row of each span; a deleted one is not paid for, but its events count. That row is found by the
# order in which spans lie: argMax over maps takes five times as much CPU.
_SPENT: Final = """
        LEFT JOIN (
            SELECT
                workspace, trace_id, sumMapIf(usage, NOT is_deleted) AS usage,
                sumIf(total_estimated_cost, NOT is_deleted) AS cost, sum(events) AS events
            FROM (
                SELECT workspace, trace_id, usage, total_estimated_cost, is_deleted, events
                FROM spans
                WHERE (workspace, toUInt128(trace_id)) IN (
                    SELECT workspace, toUInt128(id)
                    FROM thread_traces
                    PREWHERE (workspace, project_id, thread_id) IN touched
                )
                ORDER BY workspace, toUInt128(trace_id), toUInt128(id), events DESC
                LIMIT 1 BY workspace, toUInt128(trace_id), toUInt128(id)
            )
            GROUP BY workspace, trace_id
        ) AS spent ON placed.workspace = spent.workspace AND placed.id = spent.trace_id"""
_SUMS: Final = """
            sumMapIf(spent.usage, is_there) AS usage,
            sumIf(spent.cost, is_there) AS cost,
            sum(placed.events + spent.events) AS all_events"""
_SUMS_WITHOUT_SPANS: Final = """
            CAST(map(), 'Map(LowCardinality(String), Int64)') AS usage,
            CAST(NULL, 'Nullable(Decimal(38, 9))') AS cost,
            sum(placed.events) AS all_events"""

_FOLD: Final = """
INSERT INTO folded_threads (
    workspace, project_id, thread_id, model, {columns}, usage, cost, events, is_deleted, is_last, preview,
    preview_events
)
WITH touched AS ({touched})
SELECT
    workspace, project_id, thread_id, {model}, {columns}, usage, cost, all_events, traces = 0, is_last,
    ifNull(if(is_last, told.output_preview, told.input_preview), ''), told.events
FROM (
    SELECT *, arrayJoin([0, 1]) AS is_last, if(is_last, last_id, first_id) AS saying_id
    FROM (
        SELECT
            workspace, project_id, thread_id,
            {folded},{sums}
        FROM (
            SELECT
                workspace, project_id, thread_id, id, start_time_us, end_time_us, input_bytes, output_bytes, source,
                environment, created_at_us, last_updated_at_us, activity_log_id, activity_offset, events,
                NOT is_deleted AS is_there
            FROM thread_traces FINAL
            PREWHERE (workspace, project_id, thread_id) IN touched
        ) AS placed{spent}
        GROUP BY workspace, project_id, thread_id
    )
) AS threads
LEFT JOIN ({told}) AS told ON threads.workspace = told.workspace AND threads.saying_id = told.id
SETTINGS do_not_merge_across_partitions_select_final = 1, join_use_nulls = 0, aggregate_functions_null_for_empty = 0"""

OF_THREADS: Final = ("threads", "threads_by_first_trace", "thread_previews")
"""The tables that a fold fills."""
ANY_SPANS: Final = "SELECT 1 AS found FROM spans LIMIT 1"
"""Has a row where spans are to be looked for; for a fold without them ask before it begins."""


def fold_sql(tables: Iterable[str], default_project: str, *, has_spans: bool = True) -> str:
    """Return the statement that folds the threads which covered rows of `tables` touched, all together.

    Only where `ANY_SPANS` found none may it be made for a storage without them, `has_spans=False`.

    Its parameters are those of what is covered of each table, each with the table's name before its own.
    `default_project` is the SQL of the Default Project's id in a `workspace`.
    """
    ids = " UNION ALL ".join(_IDS[table].format(covered=covered_sql(f"{table}_")) for table in tables)
    touched = _TOUCHED.format(nil=_NIL, default_project=default_project, ids=ids)
    return _filled(touched, _TOLD.format(ids=ids), has_spans=has_spans)


def fold_of(touched: str) -> str:
    """Return the statement that folds the threads which the SELECT `touched` names: workspace, project and thread.

    Whatever their first and last messages are, their previews go out.
    """
    return _filled(touched, _TOLD_BY_ALL.format(touched=touched), has_spans=True)


def _filled(touched: str, told: str, *, has_spans: bool) -> str:
    return _FOLD.format(
        touched=touched,
        told=told,
        columns=", ".join(COLUMNS),
        model=model_sql("toString(project_id)"),
        folded=folded("is_there"),
        spent=_SPENT if has_spans else "",
        sums=_SUMS if has_spans else _SUMS_WITHOUT_SPANS,
    )
