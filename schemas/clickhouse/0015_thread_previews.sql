-- Threads without their texts: the beginnings of their first and last messages get a table of their own, in the order in
-- which searches go through threads, so that what a page shows lies together, and folding a thread reads and writes numbers
-- and ids only.
--
-- threads          names the traces in which the two messages stand: the id, and of how many events the row was folded.
--                  Its columns first_preview and last_preview stay empty from now on.
-- thread_previews  what is said under such a name. A name that is not here, or is for another number of events, is read
--                  from the events: so rows may be missing, and stale ones (under a first_trace that has changed since)
--                  are never shown.
-- folded_threads   keeps nothing: what a fold puts into it goes to the two tables above.
--
-- Sinks and readers of the version before may run beside new ones. Their sinks leave rows without the numbers of events
-- (0), of which new readers read the messages from the events until the thread is folded again; their readers take an
-- empty preview of a message that has bytes for one that was cut, and read it from the events as well. Whose row counts
-- is decided by the number of distinct events, as before.

ALTER TABLE threads
    ADD COLUMN IF NOT EXISTS first_events UInt32 COMMENT 'events of first_id that were folded; 0: not known'
        AFTER last_id,
    ADD COLUMN IF NOT EXISTS last_events UInt32 AFTER first_events;

CREATE TABLE IF NOT EXISTS thread_previews
(
    workspace String,
    project_id UUID,
    first_trace UInt128 COMMENT 'of the thread, when this was written: the order of streams',
    thread_id String,
    is_last UInt8 COMMENT 'the last message, else the first',
    trace_id UUID COMMENT 'the trace in which it stands',
    trace_events UInt32 COMMENT 'events of that trace that were folded',
    preview String COMMENT 'its first 1000 characters',
    events UInt64 COMMENT 'of the thread: the version of this row'
)
ENGINE = ReplacingMergeTree(events)
ORDER BY (workspace, project_id, first_trace, thread_id, is_last)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    index_granularity = 512;

CREATE TABLE IF NOT EXISTS folded_threads
(
    workspace String,
    project_id UUID,
    thread_id String,
    model UInt128,
    traces UInt64,
    first_trace UInt128,
    start_us Nullable(Int64),
    end_us Nullable(Int64),
    first_id UUID,
    last_id UUID,
    first_events UInt32,
    last_events UInt32,
    first_bytes UInt64,
    last_bytes UInt64,
    created_us Int64,
    updated_us Int64,
    source LowCardinality(Nullable(String)),
    environment LowCardinality(Nullable(String)),
    activity Int256,
    usage Map(LowCardinality(String), Int64),
    cost Nullable(Decimal(38, 9)),
    events UInt64,
    is_deleted UInt8,
    is_last UInt8 COMMENT 'each thread comes twice, with its first and its last message',
    preview String,
    preview_events UInt32
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS threads_view TO threads AS
SELECT
    workspace, project_id, thread_id, model, traces, first_trace, start_us, end_us, first_id, last_id, first_events,
    last_events, first_bytes, last_bytes, created_us, updated_us, source, environment, activity, usage, cost, events,
    is_deleted
FROM folded_threads
WHERE NOT is_last;

CREATE MATERIALIZED VIEW IF NOT EXISTS thread_previews_view TO thread_previews AS
SELECT
    workspace, project_id, first_trace, thread_id, is_last, if(is_last, last_id, first_id) AS trace_id,
    preview_events AS trace_events, preview, events
FROM folded_threads
WHERE preview != '' AND NOT is_deleted;

INSERT INTO folded_threads (
    workspace, project_id, thread_id, model, traces, first_trace, start_us, end_us, first_id, last_id, first_events,
    last_events, first_bytes, last_bytes, created_us, updated_us, source, environment, activity, usage, cost, events,
    is_deleted,
    is_last, preview, preview_events
)
SELECT
    threads.workspace, threads.project_id, threads.thread_id, threads.model, threads.traces, threads.first_trace,
    threads.start_us, threads.end_us, threads.first_id, threads.last_id, began.events, ended.events,
    threads.first_bytes, threads.last_bytes, threads.created_us, threads.updated_us, threads.source,
    threads.environment, threads.activity, threads.usage, threads.cost, threads.events, threads.is_deleted,
    is_last, if(is_last, last_preview, first_preview), if(is_last, ended.events, began.events)
FROM (SELECT *, arrayJoin([0, 1]) AS is_last FROM threads FINAL) AS threads
LEFT JOIN (
    SELECT workspace, id, max(thread_traces.events) AS events
    FROM thread_traces
    WHERE NOT is_deleted AND id IN (SELECT first_id FROM threads)
    GROUP BY workspace, id
) AS began ON threads.workspace = began.workspace AND threads.first_id = began.id
LEFT JOIN (
    SELECT workspace, id, max(thread_traces.events) AS events
    FROM thread_traces
    WHERE NOT is_deleted AND id IN (SELECT last_id FROM threads)
    GROUP BY workspace, id
) AS ended ON threads.workspace = ended.workspace AND threads.last_id = ended.id
SETTINGS max_bytes_before_external_group_by = 1073741824, join_algorithm = 'grace_hash', join_use_nulls = 0;

ALTER TABLE thread_traces_view MODIFY QUERY
SELECT
    workspace, project_id, thread_id, id, start_time_us, end_time_us, CAST(NULL, 'Nullable(String)') AS input_preview,
    input_bytes, CAST(NULL, 'Nullable(String)') AS output_preview, output_bytes, source, environment, created_at_us,
    last_updated_at_us, activity_log_id, activity_offset, events, is_deleted
FROM traces
WHERE thread_id != '';
