-- Threads once more, in the order in which searches go through them, newest first: a page is the next rows after its
-- cursor, however many threads the project has. `threads` lies by thread id, which says nothing of time.
--
-- A thread has a row for each trace that was ever its first one, and only one of them is where it stands: the others
-- are left behind when an older trace is stored, or the first one goes. Readers ask `threads` which, for the threads
-- that they found. A row may be behind that of `threads` for a moment, never for good: one insert fills both.

CREATE TABLE IF NOT EXISTS threads_by_first_trace
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
    events UInt64 COMMENT 'of the thread: the version of this row',
    duration_ms Nullable(Float64) ALIAS (end_us - start_us) / 1000,
    messages UInt64 ALIAS traces * 2
)
ENGINE = ReplacingMergeTree(events)
ORDER BY (workspace, project_id, bitNot(first_trace), bitNot(model), thread_id)
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    index_granularity = 512;

CREATE MATERIALIZED VIEW IF NOT EXISTS threads_by_first_trace_view TO threads_by_first_trace AS
SELECT
    workspace, project_id, thread_id, model, traces, first_trace, start_us, end_us, first_id, last_id, first_events,
    last_events, first_bytes, last_bytes, created_us, updated_us, source, environment, activity, usage, cost, events
FROM folded_threads
WHERE NOT is_last AND NOT is_deleted;

INSERT INTO threads_by_first_trace (
    workspace, project_id, thread_id, model, traces, first_trace, start_us, end_us, first_id, last_id, first_events,
    last_events, first_bytes, last_bytes, created_us, updated_us, source, environment, activity, usage, cost, events
)
SELECT
    workspace, project_id, thread_id, model, traces, first_trace, start_us, end_us, first_id, last_id, first_events,
    last_events, first_bytes, last_bytes, created_us, updated_us, source, environment, activity, usage, cost, events
FROM threads FINAL;
