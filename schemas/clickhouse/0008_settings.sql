-- Settings are few among ticks: reading them passes over the granules that have none.

ALTER TABLE controls ADD INDEX IF NOT EXISTS by_kind kind TYPE set(16) GRANULARITY 16;
ALTER TABLE controls MATERIALIZE INDEX IF EXISTS by_kind;
