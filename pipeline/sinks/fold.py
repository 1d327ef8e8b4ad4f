"""Fold what inserts touched into the tables for reading lists: one row a trace, a span, a thread (`thread_fold`).

Traces and spans are folded for each insert, or a few; threads afterwards, for all that was inserted meanwhile.

The whole fold is done in ClickHouse. Of the events that name a field, the one with the largest (version, content hash)
gives it. The row that folded more distinct events wins (`ReplacingMergeTree(events)`): of two sinks that fold the same
trace at once, each after its own insert, the later one has seen what the earlier one saw.

Places. A trace lies in `traces` under its project and thread, and both can change with any event. An earlier fold may
have put it wherever some of its events alone would; at each such place but the last an is_deleted row of the same
version goes out too. Those places are

* every named project with every named thread,
* a named project without a thread, where one event named the project but no thread,
* the workspace's Default Project with a named thread, or without one, where one event named no project.
"""

from collections.abc import Mapping
from typing import Final

from pipeline.adapters.clickhouse.client import PARTITIONS_PER_INSERT_MAX, ClickHouse, new_token
from pipeline.events.identity import DEFAULT_PROJECT_NAME, PROJECT_NAMESPACE
from pipeline.sinks.costs import COST_TERMS, RATES, USAGE
from pipeline.sinks.ranges import COVERED_SQL, Covered
from pipeline.sinks.thread_fold import ANY_SPANS, fold_sql

_NIL: Final = "toUUID('00000000-0000-0000-0000-000000000000')"
_VERSION: Final = "(bitShiftLeft(toInt128(version_us), 64) + content_hash)"
"""The order of (version, content hash) as one number: argMax has a fast path for numbers, not for tuples. Folding
25,000 traces took 5.3 µs of CPU a trace so, 9.2 with tuples."""
_TAGS: Final = """
    maxIf(version_us, tags_reset) AS reset_us,
    countIf(tags_reset) > 0 AS has_reset,
    maxMap(tags_added, arrayMap(tag -> version_us, tags_added)) AS added,
    maxMap(tags_removed, arrayMap(tag -> version_us, tags_removed)) AS removed,
    arraySort(arrayFilter(
        (tag, added_us) -> (NOT has_reset OR added_us >= reset_us)
            AND (NOT has(removed.1, tag) OR arrayElement(removed.2, indexOf(removed.1, tag)) <= added_us),
        added.1, added.2
    )) AS tags"""
_COUNTS: Final = """
    min(received_at_us) AS created_at_us,
    max(version_us) AS last_updated_at_us,
    min(version_us) AS first_version_us,
    uniqExact(log_id, log_partition, log_offset) AS events,
    max(event = 'delete') AS has_tombstone"""


def _newest(column: str) -> str:
    """Return the SQL of a nullable column's newest value; argMax passes over NULL."""
    return f"argMax({column}, {_VERSION})"


def _newest_where(column: str, condition: str) -> str:
    return f"argMaxIf({column}, {_VERSION}, {condition})"


def _uuid5_sql(namespace: str, name: str) -> str:
    """Return the SQL of a UUIDv5 (RFC 9562, section 5.5): 16 bytes of SHA-1, with the bits of version and variant."""
    digest = f"reinterpretAsUInt128(reverse(substring(SHA1(concat(unhex('{namespace}'), {name})), 1, 16)))"
    cleared = "bitNot(bitOr(bitShiftLeft(toUInt128(0xF000), 64), bitShiftLeft(toUInt128(0xC000), 48)))"
    marked = "bitOr(bitShiftLeft(toUInt128(0x5000), 64), bitShiftLeft(toUInt128(0x8000), 48))"
    # `hex` of a number leaves leading zeros out.
    return f"toUUID(leftPad(lower(hex(bitOr(bitAnd({digest}, {cleared}), {marked}))), 32, '0'))"


def project_sql(folded_name: str) -> str:
    """Return the SQL of `identity.project_id` in a `workspace`, of a name (as SQL) that is trimmed and case-folded."""
    return _uuid5_sql(PROJECT_NAMESPACE.hex, f"workspace, '\\t', {folded_name}")


DEFAULT_PROJECT_SQL: Final = project_sql(f"'{DEFAULT_PROJECT_NAME.casefold()}'")

_TRACES: Final = f"""
INSERT INTO traces (
    workspace, project_id, thread_id, id, name, start_time_us, end_time_us, input_preview, input_bytes, output_preview,
    output_bytes, tags, error_preview, ttft, source, environment, created_at_us, last_updated_at_us, first_version_us,
    activity_log_id, activity_offset, activity_at_ms, events, is_deleted
)
WITH
    arrayJoin(arrayDistinct(arrayConcat([home], arrayFlatten([
        arrayFlatten(arrayMap(
            project -> arrayMap(thread -> (project, thread), arrayFilter(thread -> thread != '', named_threads)),
            arrayFilter(project -> project != {_NIL}, named_projects)
        )),
        arrayMap(named -> (if(named.1 = {_NIL}, default_project, named.1), named.2), named_places)
    ])))) AS place,
    place = home AND NOT has_tombstone AS is_live
SELECT
    workspace, place.1, place.2, id,
    if(is_live, name, NULL), if(is_live, start_time_us, NULL), if(is_live, end_time_us, NULL),
    if(is_live, input_preview, NULL), if(is_live, input_bytes, 0),
    if(is_live, output_preview, NULL), if(is_live, output_bytes, 0),
    if(is_live, tags, []), if(is_live, error_preview, NULL), if(is_live, ttft, NULL),
    if(is_live, source, NULL), if(is_live, environment, NULL),
    created_at_us, last_updated_at_us, first_version_us,
    activity.4, activity.2, activity.3, events, NOT is_live
FROM
(
    SELECT
        workspace, id,
        {_newest("name")} AS name,
        {_newest("start_time_us")} AS start_time_us,
        {_newest("end_time_us")} AS end_time_us,
        {_newest("input_preview")} AS input_preview,
        {_newest_where("input_bytes", "isNotNull(trace_fields.input_preview)")} AS input_bytes,
        {_newest("output_preview")} AS output_preview,
        {_newest_where("output_bytes", "isNotNull(trace_fields.output_preview)")} AS output_bytes,
        {_newest("error_preview")} AS error_preview,
        {_newest("ttft")} AS ttft,
        {_newest("source")} AS source,
        {_newest("environment")} AS environment,
        {_TAGS},
        {_COUNTS},
        {DEFAULT_PROJECT_SQL} AS default_project,
        groupUniqArray((project_id, thread_id)) AS named_places,
        arrayDistinct(named_places.1) AS named_projects,
        arrayDistinct(named_places.2) AS named_threads,
        {_newest_where("project_id", f"project_id != {_NIL}")} AS newest_project,
        {_newest_where("thread_id", "thread_id != ''")} AS newest_thread,
        (if(newest_project = {_NIL}, default_project, newest_project), newest_thread) AS home,
        groupArrayIf(
            (toUInt128(log_id), log_offset, appended_at_ms, log_id, project_id, thread_id),
            thread_id != '' AND event != 'delete'
        ) AS activities,
        arrayLast(entry -> true, arraySort(arrayFilter(
            entry -> (if(entry.5 = {_NIL}, default_project, entry.5), entry.6) = home, activities
        ))) AS activity
    FROM trace_fields
    WHERE (workspace, toUInt128(id)) IN (SELECT workspace, toUInt128(id) FROM trace_fields WHERE {COVERED_SQL})
    GROUP BY workspace, id
)
"""  # noqa: S608 - made of our own constants only

_SPANS: Final = f"""
INSERT INTO spans (
    workspace, trace_id, id, project_id, parent_span_id, name, type, start_time_us, end_time_us, input_bytes,
    output_bytes, tags, error_preview, model, provider, usage, total_estimated_cost, total_estimated_cost_version, ttft,
    source, environment, created_at_us, last_updated_at_us, first_version_us, events, is_deleted
)
WITH {COST_TERMS}
SELECT
    workspace, trace_id, id, folded_project, folded_parent, folded_name, folded_type, folded_start, folded_end,
    folded_input_bytes, folded_output_bytes, tags, folded_error, folded_model, folded_provider, folded_usage,
    ifNull(given_cost, computed_cost),
    if(isNull(given_cost) AND isNotNull(computed_cost), folded_rates_version, given_cost_version),
    folded_ttft, folded_source, folded_environment,
    created_at_us, last_updated_at_us, first_version_us, events, has_tombstone
FROM
(
    SELECT
        workspace, trace_id, id,
        {_newest_where("project_id", f"project_id != {_NIL}")} AS folded_project,
        {_newest_where("parent_span_id", f"parent_span_id != {_NIL}")} AS folded_parent,
        {_newest("name")} AS folded_name,
        {_newest("type")} AS folded_type,
        {_newest("start_time_us")} AS folded_start,
        {_newest("end_time_us")} AS folded_end,
        {_newest_where("input_bytes", "isNotNull(input)")} AS folded_input_bytes,
        {_newest_where("output_bytes", "isNotNull(output)")} AS folded_output_bytes,
        {_TAGS},
        {_newest("leftUTF8(error_info, 1000)")} AS folded_error,
        {_newest("model")} AS folded_model,
        {_newest("provider")} AS folded_provider,
        {_newest_where("usage", "notEmpty(usage)")} AS {USAGE},
        {_newest("total_estimated_cost")} AS given_cost,
        {_newest("total_estimated_cost_version")} AS given_cost_version,
        {_newest_where("rates", "isNotNull(model)")} AS {RATES},
        {_newest_where("rates_version", "isNotNull(model)")} AS folded_rates_version,
        {_newest("ttft")} AS folded_ttft,
        {_newest("source")} AS folded_source,
        {_newest("environment")} AS folded_environment,
        {_COUNTS}
    FROM span_events
    WHERE (workspace, toUInt128(trace_id), toUInt128(id)) IN
        (SELECT workspace, toUInt128(trace_id), toUInt128(id) FROM span_events WHERE {COVERED_SQL})
    GROUP BY workspace, trace_id, id
)
"""  # noqa: S608 - made of our own constants only

FOLDS: Final = {"trace_events": _TRACES, "span_events": _SPANS}
"""By table of events: how what it has one row of for each event is folded."""
_THREADS: Final[Mapping[tuple[str, ...], str]] = {
    tables: fold_sql(tables, DEFAULT_PROJECT_SQL)
    for tables in (("trace_events",), ("span_events",), ("trace_events", "span_events"))
}
_THREADS_WITHOUT_SPANS: Final = fold_sql(("trace_events",), DEFAULT_PROJECT_SQL, has_spans=False)
_THREADS_CORES_MAX: Final = 1
"""Shared by two cores, the threads of 9,600 traces took 210 ms of CPU and 220 ms, and 160 and 170 on one."""


async def fold(client: ClickHouse, table: str, covered: Covered, *, cores_max: int = _THREADS_CORES_MAX) -> None:
    """Fold every trace, or span, of which `covered` holds an event, and their threads; nothing for other tables.

    The threads on at most `cores_max` cores, with 0 on all. Raises what `ClickHouse.command` raises.
    """
    if table in FOLDS:
        await fold_rows(client, table, covered)
        await fold_threads(client, {table: covered}, cores_max=cores_max)


async def fold_rows(client: ClickHouse, table: str, covered: Covered) -> None:
    """Fold every trace, or span, of which `covered` holds an event; raises what `ClickHouse.command` raises."""
    await client.command(FOLDS[table], covered.parameters(), settings=_as_new())


async def fold_threads(
    client: ClickHouse, covered: Mapping[str, Covered], *, cores_max: int = _THREADS_CORES_MAX
) -> None:
    """Fold the threads of what is covered of each table in `FOLDS`, whose rows have been folded before.

    Raises what `ClickHouse.command` raises.
    """
    tables = tuple(table for table in FOLDS if table in covered)
    parameters = {name: value for table in tables for name, value in covered[table].parameters(f"{table}_").items()}
    has_spans = "span_events" in covered or bool(await client.rows(ANY_SPANS))
    sql = _THREADS[tables] if has_spans else _THREADS_WITHOUT_SPANS
    await client.command(sql, parameters, settings=_as_new() | {"max_threads": cores_max})


def _as_new() -> dict[str, str | int]:
    """Return settings that make a fold a new insert: the same rows may have been there before, and deleted since."""
    return {
        "insert_deduplication_token": new_token(),
        "max_partitions_per_insert_block": PARTITIONS_PER_INSERT_MAX,
    }
