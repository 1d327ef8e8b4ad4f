-- Controls of the log of threads, as it stood: commands, settings and ticks. They count in reconciliation, and tell what
-- was asked of a thread and when.

CREATE TABLE IF NOT EXISTS controls
(
    topic LowCardinality(String),
    kind LowCardinality(String),
    key String,
    value String,
    log_id UUID COMMENT 'the log this event stood in',
    log_partition UInt32,
    log_offset UInt64 CODEC(Delta, ZSTD(1)),
    appended_at_ms Int64 CODEC(Delta, ZSTD(1)) COMMENT 'when the broker appended it, milliseconds since 1970 UTC',
    CONSTRAINT has_provenance CHECK log_id != toUUID('00000000-0000-0000-0000-000000000000')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(toDateTime(intDiv(appended_at_ms, 1000), 'UTC'))
ORDER BY (log_id, log_partition, log_offset)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000;
