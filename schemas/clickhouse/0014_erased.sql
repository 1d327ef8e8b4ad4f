-- What was erased on purpose, so that whatever comes back of it, late or replayed, is erased again. Kept are ids only: no
-- text of what was erased.
--
-- A trace is erased for good, with its spans. Of a thread, what was said up to `erased_at_us` is; new turns live.
-- Rows of a `plan` belong to an erasure that is only counted, or not yet confirmed; they count for nothing else.

CREATE TABLE IF NOT EXISTS erased
(
    plan LowCardinality(String) COMMENT 'empty: in force',
    workspace String,
    entity_type Enum8('trace' = 1, 'span' = 2, 'thread' = 3),
    entity_id UUID COMMENT 'of a thread: its model id',
    project_id UUID COMMENT 'of a thread',
    thread_id String,
    erased_at_us Int64,
    is_done UInt8 COMMENT 'whether all tables were gone through since; what comes later is looked for elsewhere only',
    noted_at DateTime DEFAULT now()
)
ENGINE = ReplacingMergeTree(erased_at_us)
ORDER BY (plan, workspace, entity_type, toUInt128(entity_id))
TTL noted_at + INTERVAL 7 DAY DELETE WHERE plan != ''
SETTINGS non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000;
