-- Traces: events as they came, their narrow copy ordered by id, and the folded row for reading lists.
--
-- trace_events   one row an event, with its provenance. Ordered by thread, since conversations stored side by side
--                compress better and are read together.
-- trace_fields   the same events without payloads, ordered by id: what folding reads, and the way from an id to the
--                (thread_id, id) under which its payloads stand.
-- traces         one row a trace, folded by the sink from trace_fields; the row that folded more events wins. A trace
--                that moved leaves an is_deleted row where it was.
--
-- A UUID is compared by its second half in ClickHouse, so nothing sorts by the raw type: toUInt128(id) sorts by time.
-- Partitions follow the month that a UUIDv7 carries, which no event can change; any other id, or a time before 2020 or
-- from 2050 on, falls into 197001, so that hostile ids cannot make partitions without end.
-- The sink adds the provenance to a value before it inserts it. A value that holds two objects would make a second row
-- without any: the constraint has_provenance refuses that insert as a whole, so that the value can be isolated.
-- Absent ids and texts of keys are the nil UUID and ''; absent fields are NULL.

CREATE TABLE IF NOT EXISTS trace_events
(
    workspace String,
    version_us Int64 CODEC(Delta, ZSTD(1)) COMMENT 'orders the events of one thing',
    received_at_us Int64 CODEC(Delta, ZSTD(1)),
    id UUID,
    event Enum8('create' = 1, 'patch' = 2, 'delete' = 3),
    project_id UUID,
    project_name String,
    thread_id String,
    name Nullable(String),
    start_time_us Nullable(Int64),
    end_time_us Nullable(Int64),
    input Nullable(String) CODEC(ZSTD(3)) COMMENT 'JSON text, as the producer wrote it',
    output Nullable(String) CODEC(ZSTD(3)),
    metadata Nullable(String) CODEC(ZSTD(3)),
    tags_reset Bool COMMENT 'forgets every tag of an older version',
    tags_added Array(String),
    tags_removed Array(String),
    error_info Nullable(String) CODEC(ZSTD(3)),
    ttft Nullable(Float64),
    source LowCardinality(Nullable(String)),
    environment LowCardinality(Nullable(String)),
    log_id UUID COMMENT 'the log this event stood in',
    log_partition UInt32,
    log_offset UInt64 CODEC(Delta, ZSTD(1)),
    appended_at_ms Int64 CODEC(Delta, ZSTD(1)) COMMENT 'when the broker appended it, milliseconds since 1970 UTC',
    content_hash UInt64 MATERIALIZED xxHash64(concat(
        toString(event), '\0', toString(project_id), '\0', thread_id, '\0', ifNull(name, ''), '\0',
        ifNull(toString(start_time_us), ''), '\0', ifNull(toString(end_time_us), ''), '\0', ifNull(input, ''), '\0',
        ifNull(output, ''), '\0', ifNull(metadata, ''), '\0', ifNull(error_info, ''), '\0',
        ifNull(toString(ttft), ''), '\0', ifNull(source, ''), '\0', ifNull(environment, '')
    )) COMMENT 'decides between events of equal version',
    CONSTRAINT has_provenance CHECK log_id != toUUID('00000000-0000-0000-0000-000000000000')
)
ENGINE = ReplacingMergeTree
PARTITION BY if(bitAnd(bitShiftRight(toUInt128(id), 76), 15) = 7
        AND bitShiftRight(toUInt128(id), 80) BETWEEN 1577836800000 AND 2524607999999,
    toYYYYMM(toDateTime(toUInt32(intDiv(toUInt64(bitShiftRight(toUInt128(id), 80)), 1000)), 'UTC')), 197001)
ORDER BY (workspace, thread_id, toUInt128(id), log_id, log_partition, log_offset)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    index_granularity = 512, index_granularity_bytes = 1048576;

CREATE TABLE IF NOT EXISTS trace_fields
(
    workspace String,
    version_us Int64 CODEC(Delta, ZSTD(1)) COMMENT 'orders the events of one thing',
    received_at_us Int64 CODEC(Delta, ZSTD(1)),
    id UUID,
    event Enum8('create' = 1, 'patch' = 2, 'delete' = 3),
    project_id UUID,
    project_name String,
    thread_id String,
    name Nullable(String),
    start_time_us Nullable(Int64),
    end_time_us Nullable(Int64),
    input_preview Nullable(String) COMMENT 'the first 1000 characters',
    input_bytes UInt64,
    output_preview Nullable(String) COMMENT 'the first 1000 characters',
    output_bytes UInt64,
    tags_reset Bool,
    tags_added Array(String),
    tags_removed Array(String),
    error_preview Nullable(String) COMMENT 'the first 1000 characters',
    ttft Nullable(Float64),
    source LowCardinality(Nullable(String)),
    environment LowCardinality(Nullable(String)),
    log_id UUID COMMENT 'the log this event stood in',
    log_partition UInt32,
    log_offset UInt64 CODEC(Delta, ZSTD(1)),
    appended_at_ms Int64 CODEC(Delta, ZSTD(1)) COMMENT 'when the broker appended it, milliseconds since 1970 UTC',
    content_hash UInt64,
    INDEX by_offset log_offset TYPE minmax GRANULARITY 1,
    INDEX by_append appended_at_ms TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY if(bitAnd(bitShiftRight(toUInt128(id), 76), 15) = 7
        AND bitShiftRight(toUInt128(id), 80) BETWEEN 1577836800000 AND 2524607999999,
    toYYYYMM(toDateTime(toUInt32(intDiv(toUInt64(bitShiftRight(toUInt128(id), 80)), 1000)), 'UTC')), 197001)
ORDER BY (workspace, toUInt128(id), log_id, log_partition, log_offset)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS trace_fields_view TO trace_fields AS
SELECT
    workspace, version_us, received_at_us, id, event, project_id, project_name, thread_id, name,
    start_time_us, end_time_us,
    leftUTF8(input, 1000) AS input_preview, ifNull(length(input), 0) AS input_bytes,
    leftUTF8(output, 1000) AS output_preview, ifNull(length(output), 0) AS output_bytes,
    tags_reset, tags_added, tags_removed, leftUTF8(error_info, 1000) AS error_preview,
    ttft, source, environment, log_id, log_partition, log_offset, appended_at_ms, content_hash
FROM trace_events;

CREATE TABLE IF NOT EXISTS traces
(
    workspace String,
    project_id UUID,
    thread_id String,
    id UUID,
    name Nullable(String),
    start_time_us Nullable(Int64),
    end_time_us Nullable(Int64),
    input_preview Nullable(String),
    input_bytes UInt64,
    output_preview Nullable(String),
    output_bytes UInt64,
    tags Array(String),
    error_preview Nullable(String),
    ttft Nullable(Float64),
    source LowCardinality(Nullable(String)),
    environment LowCardinality(Nullable(String)),
    created_at_us Int64 COMMENT 'when the first of its events was received',
    last_updated_at_us Int64 COMMENT 'the newest version of its events',
    first_version_us Int64 COMMENT 'the oldest version of its events: what a deletion of the thread is compared with',
    activity_log_id UUID COMMENT 'log of its newest event that named the thread',
    activity_offset UInt64 COMMENT 'offset of that event',
    activity_at_ms Int64 COMMENT 'when the broker appended that event',
    events UInt32 COMMENT 'distinct events folded: the version of this row',
    is_deleted UInt8
)
ENGINE = ReplacingMergeTree(events, is_deleted)
PARTITION BY if(bitAnd(bitShiftRight(toUInt128(id), 76), 15) = 7
        AND bitShiftRight(toUInt128(id), 80) BETWEEN 1577836800000 AND 2524607999999,
    toYYYYMM(toDateTime(toUInt32(intDiv(toUInt64(bitShiftRight(toUInt128(id), 80)), 1000)), 'UTC')), 197001)
ORDER BY (workspace, project_id, thread_id, toUInt128(id))
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS projects
(
    workspace String,
    project_id UUID,
    name AggregateFunction(argMin, String, Tuple(Int64, String)) COMMENT 'the spelling that came first',
    created_at_us SimpleAggregateFunction(min, Int64),
    last_updated_at_us SimpleAggregateFunction(max, Int64)
)
ENGINE = AggregatingMergeTree
ORDER BY (workspace, project_id)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS projects_view TO projects AS
SELECT
    workspace, project_id,
    argMinState(project_name, (received_at_us, project_name)) AS name,
    min(received_at_us) AS created_at_us, max(received_at_us) AS last_updated_at_us
FROM trace_events
WHERE project_id != toUUID('00000000-0000-0000-0000-000000000000')
GROUP BY workspace, project_id;
