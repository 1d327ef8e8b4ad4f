-- What could not be processed: original bytes (base64), where they stood, and why.

CREATE TABLE IF NOT EXISTS dead_letters
(
    workspace String,
    version_us Int64 CODEC(Delta, ZSTD(1)) COMMENT 'orders the events of one thing',
    received_at_us Int64 CODEC(Delta, ZSTD(1)),
    stage LowCardinality(String),
    reason String,
    code Int32,
    topic LowCardinality(String),
    origin_log_id UUID,
    origin_partition Nullable(UInt32),
    origin_offset Nullable(UInt64),
    key Nullable(String),
    value Nullable(String) CODEC(ZSTD(3)),
    headers Array(Tuple(String, String)),
    log_id UUID COMMENT 'the log this event stood in',
    log_partition UInt32,
    log_offset UInt64 CODEC(Delta, ZSTD(1)),
    appended_at_ms Int64 CODEC(Delta, ZSTD(1)) COMMENT 'when the broker appended it, milliseconds since 1970 UTC',
    CONSTRAINT has_provenance CHECK log_id != toUUID('00000000-0000-0000-0000-000000000000')
)
ENGINE = ReplacingMergeTree
ORDER BY (workspace, topic, received_at_us, log_id, log_partition, log_offset)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000;
