-- What the sessions of a thread say, one row a thread. Every column is a maximum, so that events told again, late or in
-- any order end in the same row, and a view can keep it.
--
-- A place in the logs is one number, (log id << 64) + offset: log ids are UUIDv7, so it orders places over logs.

CREATE TABLE IF NOT EXISTS thread_sessions
(
    workspace String,
    project_id UUID,
    thread_id String,
    session SimpleAggregateFunction(max, Int256) COMMENT 'place of the first record of the latest session',
    has_closed SimpleAggregateFunction(max, UInt8) COMMENT 'whether any session was closed',
    closed_session SimpleAggregateFunction(max, Int256) COMMENT 'the same of the latest closed session',
    closed_activity SimpleAggregateFunction(max, Int256) COMMENT 'place of the last record of a closed session',
    changed_at_us SimpleAggregateFunction(max, Int64),
    deleted_at_us SimpleAggregateFunction(max, Int64) COMMENT 'when the thread was deleted last; 0 if never'
)
ENGINE = AggregatingMergeTree
ORDER BY (workspace, project_id, thread_id)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    index_granularity = 1024;

CREATE MATERIALIZED VIEW IF NOT EXISTS thread_sessions_view TO thread_sessions AS
SELECT
    workspace, project_id, thread_id,
    bitShiftLeft(toInt256(toUInt128(session_log_id)), 64) + first_offset AS session,
    event = 'closed' AS has_closed,
    if(event = 'closed', session, 0) AS closed_session,
    if(event = 'closed', bitShiftLeft(toInt256(toUInt128(last_log_id)), 64) + last_offset, 0) AS closed_activity,
    greatest(opened_at_us, ifNull(closed_at_us, 0)) AS changed_at_us,
    if(event = 'closed' AND ifNull(reason, '') = 'deleted', ifNull(closed_at_us, 0), 0) AS deleted_at_us
FROM thread_events
WHERE event IN ('opened', 'closed');

INSERT INTO thread_sessions
SELECT
    workspace, project_id, thread_id,
    bitShiftLeft(toInt256(toUInt128(session_log_id)), 64) + first_offset AS session,
    event = 'closed' AS has_closed,
    if(event = 'closed', session, 0) AS closed_session,
    if(event = 'closed', bitShiftLeft(toInt256(toUInt128(last_log_id)), 64) + last_offset, 0) AS closed_activity,
    greatest(opened_at_us, ifNull(closed_at_us, 0)) AS changed_at_us,
    if(event = 'closed' AND ifNull(reason, '') = 'deleted', ifNull(closed_at_us, 0), 0) AS deleted_at_us
FROM thread_events
WHERE event IN ('opened', 'closed');
