"""Fold the threads that an insert touched into `threads`, one row a thread, for lists and searches.

A thread is folded from the folded rows of its traces (`thread_traces`) and of their spans. The version of its row is
the number of distinct events in it: those of every trace that was ever there, gone ones included, and of their spans.
Each sink folds traces or spans first and threads after, so of all folds of a thread the one that begins last finds
every event of it in those rows; no other row can count more events, and one that counts as many says the same.

Deletions of threads are not in it, since they come over another topic: reads fold the threads that were ever deleted
from `traces` themselves.
"""

from typing import Final

from pipeline.adapters.clickhouse.thread_sql import COLUMNS, folded, model_sql
from pipeline.sinks.ranges import COVERED_SQL

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
    "trace_events": f"SELECT workspace, toUInt128(id) FROM trace_fields WHERE {COVERED_SQL}",  # noqa: S608
    "span_events": f"SELECT workspace, toUInt128(trace_id) FROM span_events WHERE {COVERED_SQL}",  # noqa: S608
}

_FOLD: Final = """
INSERT INTO threads (
    workspace, project_id, thread_id, model, {columns}, usage, cost, events, is_deleted
)
WITH touched AS ({touched})
SELECT
    workspace, project_id, thread_id, {model}, {columns}, usage, cost, all_events, traces = 0
FROM (
    SELECT
        workspace, project_id, thread_id,
        {folded},
        sumMapIf(spent.usage, is_there) AS usage,
        sumIf(spent.cost, is_there) AS cost,
        sum(placed.events + spent.events) AS all_events
    FROM (
        SELECT *, NOT is_deleted AS is_there
        FROM thread_traces FINAL
        PREWHERE (workspace, project_id, thread_id) IN touched
    ) AS placed
    LEFT JOIN (
        SELECT
            workspace, trace_id, sumMapIf(newest.1, NOT newest.3) AS usage, sumIf(newest.2, NOT newest.3) AS cost,
            sum(span_events) AS events
        FROM (
            SELECT
                workspace, trace_id, id, argMax((usage, total_estimated_cost, is_deleted), spans.events) AS newest,
                max(spans.events) AS span_events
            FROM spans
            WHERE (workspace, toUInt128(trace_id)) IN (
                SELECT workspace, toUInt128(id)
                FROM thread_traces
                PREWHERE (workspace, project_id, thread_id) IN touched
            )
            GROUP BY workspace, trace_id, id
        )
        GROUP BY workspace, trace_id
    ) AS spent ON placed.workspace = spent.workspace AND placed.id = spent.trace_id
    GROUP BY workspace, project_id, thread_id
)
SETTINGS do_not_merge_across_partitions_select_final = 1, join_use_nulls = 0, aggregate_functions_null_for_empty = 0"""


def fold_sql(table: str, default_project: str) -> str:
    """Return the statement that folds the threads which covered rows of `table` touched.

    `default_project` is the SQL of the Default Project's id in a `workspace`.
    """
    return fold_of(_TOUCHED.format(nil=_NIL, default_project=default_project, ids=_IDS[table]))


def fold_of(touched: str) -> str:
    """Return the statement that folds the threads which the SELECT `touched` names: workspace, project and thread."""
    return _FOLD.format(
        touched=touched, columns=", ".join(COLUMNS), model=model_sql("toString(project_id)"), folded=folded("is_there")
    )
