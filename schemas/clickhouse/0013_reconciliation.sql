-- Offsets that hold no event: the markers of transactions, and what was rolled back. Reconciliation counts records, and
-- the offsets of a log are more than those. One row a run of offsets; runs that were
-- noted twice may overlap. After a year no log still has them.

CREATE TABLE IF NOT EXISTS skipped_offsets
(
    topic LowCardinality(String),
    log_id UUID,
    log_partition UInt32,
    log_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'the first of the run',
    next_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'the first after it',
    noted_at DateTime DEFAULT now()
)
ENGINE = ReplacingMergeTree(next_offset)
PARTITION BY toYYYYMM(noted_at)
ORDER BY (log_id, log_partition, log_offset)
TTL noted_at + INTERVAL 366 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000;

-- Places of events that were deleted on purpose, so that they are not taken for lost.

CREATE TABLE IF NOT EXISTS deleted_places
(
    topic LowCardinality(String),
    log_id UUID,
    log_partition UInt32,
    log_offset UInt64 CODEC(Delta, ZSTD(1)),
    reason LowCardinality(String) COMMENT 'erasure or retention',
    deleted_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(deleted_at)
ORDER BY (log_id, log_partition, log_offset)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000;
