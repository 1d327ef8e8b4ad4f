-- Threads, folded by the sink from `thread_traces` and `spans`: one row a thread, what lists and searches read. The row
-- that folded more events wins; a thread of which every trace has gone leaves an is_deleted row. Deletions of threads are
-- not in it: reads fold the threads that were ever deleted from `traces`.

CREATE TABLE IF NOT EXISTS threads
(
    workspace String,
    project_id UUID,
    thread_id String,
    model UInt128 COMMENT 'the model id as a number',
    traces UInt64,
    first_trace UInt128 COMMENT 'smallest id of its traces: the order of streams',
    start_us Nullable(Int64),
    end_us Nullable(Int64),
    first_id UUID COMMENT 'the trace whose input is the first message',
    last_id UUID COMMENT 'the trace whose output is the last message',
    first_preview String COMMENT 'the first 1000 characters of the first message',
    last_preview String,
    first_bytes UInt64,
    last_bytes UInt64,
    created_us Int64,
    updated_us Int64,
    source LowCardinality(Nullable(String)),
    environment LowCardinality(Nullable(String)),
    activity Int256 COMMENT 'place of its newest event that named it: (log id << 64) + offset',
    usage Map(LowCardinality(String), Int64) COMMENT 'summed over the spans of its traces',
    cost Nullable(Decimal(38, 9)),
    events UInt64 COMMENT 'distinct events folded, of traces and spans: the version of this row',
    is_deleted UInt8
)
ENGINE = ReplacingMergeTree(events, is_deleted)
ORDER BY (workspace, project_id, thread_id)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    index_granularity = 1024;

INSERT INTO threads (
    workspace, project_id, thread_id, model, traces, first_trace, start_us, end_us, first_id, last_id, first_preview,
    last_preview, first_bytes, last_bytes, created_us, updated_us, source, environment, activity, usage, cost, events,
    is_deleted
)
SELECT
    workspace, project_id, thread_id, bitOr(
            bitAnd(
                reinterpretAsUInt128(reverse(substring(SHA1(concat(unhex(replaceAll(toString(project_id), '-', '')), thread_id)), 1, 16))),
                toUInt128('340282366920937330081583660661634760703')
            ),
            toUInt128('377798542001608471871488')
        ), traces, first_trace, start_us, end_us, first_id, last_id, first_preview, last_preview, first_bytes, last_bytes, created_us, updated_us, source, environment, activity, usage, cost, all_events, traces = 0
FROM (
    SELECT
        workspace, project_id, thread_id,
        countIf(is_there) AS traces,
        minIf(toUInt128(id), is_there) AS first_trace,
        minIf(start_time_us, is_there) AS start_us,
        maxIf(end_time_us, is_there) AS end_us,
        argMinIf(id, (bitShiftLeft(ifNull(toInt256(start_time_us), toInt256('18446744073709551616')), 128)
            + toUInt128(id)), is_there) AS first_id,
        argMaxIf(id, (bitShiftLeft(
                if(isNull(end_time_us), toInt256(0), toInt256('36893488147419103232'))
                    + toInt256(coalesce(end_time_us, start_time_us, 0)), 128
            ) + toUInt128(id)), is_there) AS last_id,
        argMinIf(ifNull(input_preview, ''), (bitShiftLeft(ifNull(toInt256(start_time_us), toInt256('18446744073709551616')), 128)
            + toUInt128(id)), is_there) AS first_preview,
        argMaxIf(ifNull(output_preview, ''), (bitShiftLeft(
                if(isNull(end_time_us), toInt256(0), toInt256('36893488147419103232'))
                    + toInt256(coalesce(end_time_us, start_time_us, 0)), 128
            ) + toUInt128(id)), is_there) AS last_preview,
        argMinIf(input_bytes, (bitShiftLeft(ifNull(toInt256(start_time_us), toInt256('18446744073709551616')), 128)
            + toUInt128(id)), is_there) AS first_bytes,
        argMaxIf(output_bytes, (bitShiftLeft(
                if(isNull(end_time_us), toInt256(0), toInt256('36893488147419103232'))
                    + toInt256(coalesce(end_time_us, start_time_us, 0)), 128
            ) + toUInt128(id)), is_there) AS last_bytes,
        minIf(created_at_us, is_there) AS created_us,
        maxIf(last_updated_at_us, is_there) AS updated_us,
        argMinIf(source, toUInt128(id), is_there) AS source,
        argMinIf(environment, toUInt128(id), is_there) AS environment,
        maxIf((bitShiftLeft(toInt256(toUInt128(activity_log_id)), 64) + activity_offset), is_there) AS activity,
        sumMapIf(spent.usage, is_there) AS usage,
        sumIf(spent.cost, is_there) AS cost,
        sum(placed.events + spent.events) AS all_events
    FROM (
        SELECT *, NOT is_deleted AS is_there
        FROM thread_traces FINAL
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
            GROUP BY workspace, trace_id, id
        )
        GROUP BY workspace, trace_id
    ) AS spent ON placed.workspace = spent.workspace AND placed.id = spent.trace_id
    GROUP BY workspace, project_id, thread_id
)
SETTINGS max_bytes_before_external_group_by = 1073741824, do_not_merge_across_partitions_select_final = 1, join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

-- A month that is over is merged into one part, which FINAL reads several times faster than a few parts.

ALTER TABLE traces MODIFY SETTING min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;
ALTER TABLE spans MODIFY SETTING min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;
ALTER TABLE thread_traces
    MODIFY SETTING min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;
