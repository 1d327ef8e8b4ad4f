-- The folded traces once more, for folding threads from: in small granules, since the threads that an insert touches
-- lie far apart, and with is_deleted as an ordinary column, since a row that says that a trace has gone from its thread
-- counts in the version of the thread.

CREATE TABLE IF NOT EXISTS thread_traces
(
    workspace String,
    project_id UUID,
    thread_id String,
    id UUID,
    start_time_us Nullable(Int64),
    end_time_us Nullable(Int64),
    input_preview Nullable(String),
    input_bytes UInt64,
    output_preview Nullable(String),
    output_bytes UInt64,
    source LowCardinality(Nullable(String)),
    environment LowCardinality(Nullable(String)),
    created_at_us Int64,
    last_updated_at_us Int64,
    activity_log_id UUID,
    activity_offset UInt64,
    events UInt32 COMMENT 'distinct events of the trace folded: the version of this row',
    is_deleted UInt8 COMMENT 'the trace is not in this thread (any more)'
)
ENGINE = ReplacingMergeTree(events)
PARTITION BY if(bitAnd(bitShiftRight(toUInt128(id), 76), 15) = 7
        AND bitShiftRight(toUInt128(id), 80) BETWEEN 1577836800000 AND 2524607999999,
    toYYYYMM(toDateTime(toUInt32(intDiv(toUInt64(bitShiftRight(toUInt128(id), 80)), 1000)), 'UTC')), 197001)
ORDER BY (workspace, project_id, thread_id, toUInt128(id))
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    index_granularity = 256;

CREATE MATERIALIZED VIEW IF NOT EXISTS thread_traces_view TO thread_traces AS
SELECT
    workspace, project_id, thread_id, id, start_time_us, end_time_us, input_preview, input_bytes, output_preview,
    output_bytes, source, environment, created_at_us, last_updated_at_us, activity_log_id, activity_offset, events,
    is_deleted
FROM traces
WHERE thread_id != '';

INSERT INTO thread_traces
SELECT
    workspace, project_id, thread_id, id, start_time_us, end_time_us, input_preview, input_bytes, output_preview,
    output_bytes, source, environment, created_at_us, last_updated_at_us, activity_log_id, activity_offset, events,
    is_deleted
FROM traces
WHERE thread_id != ''
SETTINGS max_partitions_per_insert_block = 1000;
