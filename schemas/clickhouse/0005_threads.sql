-- Sessions of threads: opened, closed, command refused. A repeated event has the same session and content.

CREATE TABLE IF NOT EXISTS thread_events
(
    workspace String,
    version_us Int64 CODEC(Delta, ZSTD(1)) COMMENT 'orders the events of one thing',
    received_at_us Int64 CODEC(Delta, ZSTD(1)),
    project_id UUID,
    thread_id String,
    thread_model_id UUID,
    event Enum8('opened' = 1, 'closed' = 2, 'refused' = 3),
    session_id String,
    session_log_id UUID,
    session_partition UInt32,
    first_offset Int64 COMMENT 'offset of the first record of the session; -1 where it was carried over from another log',
    last_offset Int64,
    opened_at_us Int64,
    last_activity_at_us Int64,
    closed_at_us Nullable(Int64),
    reason LowCardinality(Nullable(String)),
    activities UInt32,
    log_id UUID COMMENT 'the log this event stood in',
    log_partition UInt32,
    log_offset UInt64 CODEC(Delta, ZSTD(1)),
    appended_at_ms Int64 CODEC(Delta, ZSTD(1)) COMMENT 'when the broker appended it, milliseconds since 1970 UTC',
    CONSTRAINT has_provenance CHECK log_id != toUUID('00000000-0000-0000-0000-000000000000')
)
ENGINE = ReplacingMergeTree
ORDER BY (workspace, project_id, thread_id, session_log_id, session_partition, first_offset, event,
    log_id, log_partition, log_offset)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS thread_ids
(
    workspace String,
    thread_model_id UUID,
    project_id UUID,
    thread_id String
)
ENGINE = ReplacingMergeTree
ORDER BY (workspace, thread_model_id)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS thread_ids_view TO thread_ids AS
SELECT workspace, thread_model_id, project_id, thread_id FROM thread_events;
