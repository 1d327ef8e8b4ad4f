-- Spans: events as they came, ordered by trace since a trace's spans are read together, and the folded row.

CREATE TABLE IF NOT EXISTS span_events
(
    workspace String,
    version_us Int64 CODEC(Delta, ZSTD(1)) COMMENT 'orders the events of one thing',
    received_at_us Int64 CODEC(Delta, ZSTD(1)),
    id UUID,
    trace_id UUID,
    event Enum8('create' = 1, 'patch' = 2, 'delete' = 3),
    parent_span_id UUID,
    project_id UUID,
    project_name String,
    type LowCardinality(Nullable(String)),
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
    model LowCardinality(Nullable(String)),
    provider LowCardinality(Nullable(String)),
    usage Map(LowCardinality(String), Int64),
    total_estimated_cost Nullable(Decimal(18, 9)),
    total_estimated_cost_version Nullable(String),
    log_id UUID COMMENT 'the log this event stood in',
    log_partition UInt32,
    log_offset UInt64 CODEC(Delta, ZSTD(1)),
    appended_at_ms Int64 CODEC(Delta, ZSTD(1)) COMMENT 'when the broker appended it, milliseconds since 1970 UTC',
    input_bytes UInt64 MATERIALIZED ifNull(length(input), 0) COMMENT 'so that folding need not read payloads',
    output_bytes UInt64 MATERIALIZED ifNull(length(output), 0),
    content_hash UInt64 MATERIALIZED xxHash64(concat(
        toString(event), '\0', toString(parent_span_id), '\0', toString(project_id), '\0', ifNull(name, ''), '\0',
        ifNull(type, ''), '\0', ifNull(toString(start_time_us), ''), '\0', ifNull(toString(end_time_us), ''), '\0',
        ifNull(input, ''), '\0', ifNull(output, ''), '\0', ifNull(metadata, ''), '\0', ifNull(error_info, ''), '\0',
        ifNull(toString(ttft), ''), '\0', ifNull(source, ''), '\0', ifNull(environment, ''), '\0',
        ifNull(model, ''), '\0', ifNull(provider, ''), '\0', toString(usage), '\0',
        ifNull(toString(total_estimated_cost), ''), '\0', ifNull(total_estimated_cost_version, '')
    )) COMMENT 'decides between events of equal version',
    INDEX by_offset log_offset TYPE minmax GRANULARITY 1,
    INDEX by_append appended_at_ms TYPE minmax GRANULARITY 1,
    INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 1,
    CONSTRAINT has_provenance CHECK log_id != toUUID('00000000-0000-0000-0000-000000000000')
)
ENGINE = ReplacingMergeTree
PARTITION BY if(bitAnd(bitShiftRight(toUInt128(trace_id), 76), 15) = 7
        AND bitShiftRight(toUInt128(trace_id), 80) BETWEEN 1577836800000 AND 2524607999999,
    toYYYYMM(toDateTime(toUInt32(intDiv(toUInt64(bitShiftRight(toUInt128(trace_id), 80)), 1000)), 'UTC')), 197001)
ORDER BY (workspace, toUInt128(trace_id), toUInt128(id), log_id, log_partition, log_offset)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    index_granularity = 512, index_granularity_bytes = 1048576;

CREATE TABLE IF NOT EXISTS spans
(
    workspace String,
    trace_id UUID,
    id UUID,
    project_id UUID,
    parent_span_id UUID,
    name Nullable(String),
    type LowCardinality(Nullable(String)),
    start_time_us Nullable(Int64),
    end_time_us Nullable(Int64),
    input_bytes UInt64,
    output_bytes UInt64,
    tags Array(String),
    error_preview Nullable(String),
    model LowCardinality(Nullable(String)),
    provider LowCardinality(Nullable(String)),
    usage Map(LowCardinality(String), Int64),
    total_estimated_cost Nullable(Decimal(18, 9)),
    total_estimated_cost_version Nullable(String),
    ttft Nullable(Float64),
    source LowCardinality(Nullable(String)),
    environment LowCardinality(Nullable(String)),
    created_at_us Int64,
    last_updated_at_us Int64,
    first_version_us Int64,
    events UInt32 COMMENT 'distinct events folded: the version of this row',
    is_deleted UInt8
)
ENGINE = ReplacingMergeTree(events, is_deleted)
PARTITION BY if(bitAnd(bitShiftRight(toUInt128(trace_id), 76), 15) = 7
        AND bitShiftRight(toUInt128(trace_id), 80) BETWEEN 1577836800000 AND 2524607999999,
    toYYYYMM(toDateTime(toUInt32(intDiv(toUInt64(bitShiftRight(toUInt128(trace_id), 80)), 1000)), 'UTC')), 197001)
ORDER BY (workspace, toUInt128(trace_id), toUInt128(id))
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000;
