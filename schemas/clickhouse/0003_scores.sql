-- Scores of traces, spans and threads: events as they came. A score is (entity, name, author); which one counts is a
-- question of reading, so nothing is ever deleted because a thread was opened again.

CREATE TABLE IF NOT EXISTS score_events
(
    workspace String,
    version_us Int64 CODEC(Delta, ZSTD(1)) COMMENT 'orders the events of one thing',
    received_at_us Int64 CODEC(Delta, ZSTD(1)),
    entity_type Enum8('trace' = 1, 'span' = 2, 'thread' = 3),
    entity_id UUID COMMENT 'of a thread: its model id',
    event Enum8('set' = 1, 'delete' = 2),
    name String,
    author Nullable(String) COMMENT 'NULL in a deletion: what every author gave',
    value Nullable(Decimal(18, 9)),
    source LowCardinality(Nullable(String)),
    category_name Nullable(String),
    reason Nullable(String),
    source_queue_id Nullable(String),
    project_id UUID,
    project_name String,
    thread_id String,
    session_id Nullable(String),
    decided_log_id UUID COMMENT 'scores of threads: the log, and the offset in it, at which the stream accepted it',
    decided_offset UInt64,
    log_id UUID COMMENT 'the log this event stood in',
    log_partition UInt32,
    log_offset UInt64 CODEC(Delta, ZSTD(1)),
    appended_at_ms Int64 CODEC(Delta, ZSTD(1)) COMMENT 'when the broker appended it, milliseconds since 1970 UTC',
    INDEX by_name name TYPE bloom_filter(0.01) GRANULARITY 4,
    CONSTRAINT has_provenance CHECK log_id != toUUID('00000000-0000-0000-0000-000000000000')
)
ENGINE = ReplacingMergeTree
PARTITION BY if(bitAnd(bitShiftRight(toUInt128(entity_id), 76), 15) = 7
        AND bitShiftRight(toUInt128(entity_id), 80) BETWEEN 1577836800000 AND 2524607999999,
    toYYYYMM(toDateTime(toUInt32(intDiv(toUInt64(bitShiftRight(toUInt128(entity_id), 80)), 1000)), 'UTC')), 197001)
ORDER BY (workspace, entity_type, toUInt128(entity_id), name, log_id, log_partition, log_offset)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000;
