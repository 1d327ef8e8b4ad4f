-- Tags, comments and display names: events as they came.

CREATE TABLE IF NOT EXISTS annotation_events
(
    workspace String,
    version_us Int64 CODEC(Delta, ZSTD(1)) COMMENT 'orders the events of one thing',
    received_at_us Int64 CODEC(Delta, ZSTD(1)),
    entity_type Enum8('trace' = 1, 'span' = 2, 'thread' = 3, 'project' = 4),
    entity_id UUID COMMENT 'of a thread: its model id',
    annotation Enum8('tags' = 1, 'comment' = 2, 'display_name' = 3),
    event Enum8('set' = 1, 'delete' = 2),
    tags_reset Bool,
    tags_added Array(String),
    tags_removed Array(String),
    comment_id UUID,
    text Nullable(String),
    author Nullable(String),
    log_id UUID COMMENT 'the log this event stood in',
    log_partition UInt32,
    log_offset UInt64 CODEC(Delta, ZSTD(1)),
    appended_at_ms Int64 CODEC(Delta, ZSTD(1)) COMMENT 'when the broker appended it, milliseconds since 1970 UTC',
    INDEX by_comment comment_id TYPE bloom_filter(0.01) GRANULARITY 4,
    CONSTRAINT has_provenance CHECK log_id != toUUID('00000000-0000-0000-0000-000000000000')
)
ENGINE = ReplacingMergeTree
ORDER BY (workspace, entity_type, toUInt128(entity_id), annotation, log_id, log_partition, log_offset)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000;
