"""Every metric once: name, kind, unit, help and labels. Labels are bounded; tenants and ids are never labels."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_LATENCY: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES: Final = tuple(4.0**power for power in range(4, 14))
_DELAY: Final = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800)

BUILD: Final = Gauge("threadline_build", "Always 1; the version and stage are in the labels.", ["version", "stage"])

# every process
LOOP_DELAY_SECONDS: Final = Histogram(
    "threadline_loop_delay_seconds",
    "How late the event loop came back to a task that asked for it every tenth of a second.",
    ["stage"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

# gateway
GATEWAY_REQUESTS: Final = Counter(
    "threadline_gateway_requests_total", "Requests answered, by route pattern and status.", ["route", "status"]
)
GATEWAY_REQUEST_SECONDS: Final = Histogram(
    "threadline_gateway_request_seconds", "From the first byte to the answer.", ["route"], buckets=_LATENCY
)
GATEWAY_REQUEST_BYTES: Final = Histogram(
    "threadline_gateway_request_bytes", "Size of request bodies, decompressed.", buckets=_SIZES
)
GATEWAY_EVENTS_ACCEPTED: Final = Counter(
    "threadline_gateway_events_accepted_total", "Events acknowledged by Kafka, by topic.", ["topic"]
)
GATEWAY_EVENTS_REFUSED: Final = Counter(
    "threadline_gateway_events_refused_total", "Items set aside in dead-letters, by reason.", ["reason"]
)
GATEWAY_IN_FLIGHT_BYTES: Final = Gauge(
    "threadline_gateway_in_flight_bytes", "Bytes of bodies in hand, and of records that Kafka has not acked."
)
GATEWAY_OVERLOADS: Final = Counter(
    "threadline_gateway_overloads_total", "Requests answered 429, by the bound that was reached.", ["bound"]
)
GATEWAY_COMMAND_SECONDS: Final = Histogram(
    "threadline_gateway_command_seconds", "From a command to the stream's answer.", ["kind"], buckets=_LATENCY
)
GATEWAY_REPLIES: Final = Counter(
    "threadline_gateway_replies_total", "Answers of the stream that were read, by what became of them.", ["fate"]
)
GATEWAY_BODIES_NORMALISED: Final = Counter(
    "threadline_gateway_bodies_normalised_total", "Bodies with a NUL, a lone surrogate or broken UTF-8, replaced."
)
GATEWAY_USAGE_SKIPPED: Final = Counter(
    "threadline_gateway_usage_values_skipped_total", "Values of usage that are no whole numbers, left out."
)
GATEWAY_RATES: Final = Counter(
    "threadline_gateway_rates_total",
    "Events of spans that name a model and no cost, by whether the price list knows it.",
    ["outcome"],
)
GATEWAY_COMMENTS_UNKNOWN: Final = Counter(
    "threadline_gateway_comments_unknown_total", "Comments to be deleted that storage did not know."
)
GATEWAY_IN_FLIGHT_RECORDS: Final = Gauge("threadline_gateway_in_flight_records", "Records that Kafka has not acked.")
GATEWAY_VALUES_MASKED: Final = Counter(
    "threadline_gateway_values_masked_total", "What masking replaced, by the name of the rule.", ["rule"]
)
GATEWAY_MASKING_SECONDS: Final = Histogram(
    "threadline_gateway_masking_seconds", "Masking the records of one request.", buckets=_LATENCY
)
GATEWAY_DENIED: Final = Counter(
    "threadline_gateway_denied_total", "Requests answered 401 or 403, by what was wrong with the key.", ["reason"]
)
GATEWAY_FILE_RELOADS: Final = Counter(
    "threadline_gateway_file_reloads_total", "Changed files of operators, by file and outcome.", ["file", "outcome"]
)
GATEWAY_LIVE_LISTENERS: Final = Gauge(
    "threadline_gateway_live_listeners", "Pages that listen to what happens to threads."
)
GATEWAY_LIVE_MISSED: Final = Counter(
    "threadline_gateway_live_events_missed_total", "Events not sent to a page that did not keep up, or was ended."
)
GATEWAY_LIVE_UNDECODABLE: Final = Counter(
    "threadline_gateway_live_undecodable_total", "Records of threads that are not what their schema says."
)

# stream
STREAM_RECORDS: Final = Counter("threadline_stream_records_total", "Records of the log applied, by kind.", ["kind"])
STREAM_REPLAYED: Final = Counter(
    "threadline_stream_records_replayed_total", "Records read again after a restart, and skipped."
)
STREAM_OFFSET_GAPS: Final = Counter(
    "threadline_stream_offset_gap_records_total", "Offsets passed over between two batches: gone by retention, or lost."
)
STREAM_REPEATED: Final = Counter(
    "threadline_stream_records_repeated_total", "Records that a batch brought again within one assignment, passed over."
)
STREAM_UNDECODABLE: Final = Counter(
    "threadline_stream_records_undecodable_total", "Records that are not what their schema says, by kind.", ["kind"]
)
STREAM_OPENED: Final = Counter("threadline_stream_threads_opened_total", "Sessions opened.")
STREAM_CLOSED: Final = Counter("threadline_stream_threads_closed_total", "Sessions closed, by reason.", ["reason"])
STREAM_REFUSED: Final = Counter("threadline_stream_commands_refused_total", "Commands refused, by kind.", ["kind"])
STREAM_OPEN_THREADS: Final = Gauge("threadline_stream_open_threads", "Threads open now, of this worker's partitions.")
STREAM_CLOSE_DELAY_SECONDS: Final = Histogram(
    "threadline_stream_close_delay_seconds", "From the deadline to the published close.", buckets=_DELAY
)
STREAM_LOG_TIME_SECONDS: Final = Gauge(
    "threadline_stream_log_time_seconds", "Log time of a partition, as seconds since 1970 UTC.", ["partition"]
)
STREAM_TICKS: Final = Counter("threadline_stream_ticks_written_total", "Ticks appended to the log.")
STREAM_FLUSH_SECONDS: Final = Histogram(
    "threadline_stream_flush_seconds", "Making outputs and state durable.", buckets=_LATENCY
)
STREAM_REBALANCES: Final = Counter("threadline_stream_rebalances_total", "Assignments received.")
STREAM_FENCED: Final = Counter(
    "threadline_stream_partitions_fenced_total", "Partitions given up because another worker had taken them."
)
STREAM_RECOVERY_SECONDS: Final = Gauge("threadline_stream_recovery_seconds", "Length of the last state recovery.")

# evaluators
EVALUATORS_SESSIONS: Final = Counter(
    "threadline_evaluators_sessions_total", "Closed sessions read, by what became of them.", ["outcome"]
)
EVALUATORS_EVALUATIONS: Final = Counter(
    "threadline_evaluators_evaluations_total", "Evaluations, by evaluator and outcome.", ["evaluator", "outcome"]
)
EVALUATORS_EVALUATION_SECONDS: Final = Histogram(
    "threadline_evaluators_evaluation_seconds", "Length of one evaluation.", ["evaluator"], buckets=_DELAY
)
EVALUATORS_SCORES: Final = Counter("threadline_evaluators_scores_total", "Scores published.")
EVALUATORS_DEAD_LETTERS: Final = Counter(
    "threadline_evaluators_dead_letters_total", "Sessions set aside in dead-letters, by reason.", ["reason"]
)
EVALUATORS_IN_FLIGHT: Final = Gauge("threadline_evaluators_in_flight_threads", "Closed sessions in hand.")
EVALUATORS_STORAGE_WAIT_SECONDS: Final = Histogram(
    "threadline_evaluators_storage_wait_seconds", "From taking a session in hand to storage having it.", buckets=_DELAY
)
EVALUATORS_READ_SECONDS: Final = Histogram(
    "threadline_evaluators_read_seconds", "Length of reading transcripts, some at once.", buckets=_LATENCY
)
EVALUATORS_DELAY_SECONDS: Final = Histogram(
    "threadline_evaluators_delay_seconds", "From the published close to the published scores.", buckets=_DELAY
)
EVALUATORS_QUEUE_AGE_SECONDS: Final = Gauge(
    "threadline_evaluators_queue_age_seconds", "Age of the oldest session in hand, since its close was published."
)
EVALUATORS_JUDGE_CALLS: Final = Counter(
    "threadline_evaluators_judge_calls_total", "Questions to a language model, by outcome.", ["outcome"]
)
EVALUATORS_JUDGE_SECONDS: Final = Histogram(
    "threadline_evaluators_judge_seconds", "From a question to a language model to its answer.", buckets=_DELAY
)
EVALUATORS_JUDGE_TOKENS: Final = Counter(
    "threadline_evaluators_judge_tokens_total", "Tokens of questions and answers.", ["direction"]
)
EVALUATORS_JUDGE_COST: Final = Counter(
    "threadline_evaluators_judge_cost_total", "What questions and answers cost, by the prices in the settings."
)
EVALUATORS_JUDGE_BUDGET_LEFT: Final = Gauge(
    "threadline_evaluators_judge_budget_left_ratio", "What is left of this hour's budget, 1 to 0.", ["of"]
)
EVALUATORS_RETRIES: Final = Counter(
    "threadline_evaluators_retries_total", "Times Kafka or storage had to be asked again, by which.", ["of"]
)
EVALUATORS_OFFSET_GAPS: Final = Counter(
    "threadline_evaluators_offset_gap_records_total", "Records that retention took before they were read."
)
EVALUATORS_HELD: Final = Counter(
    "threadline_evaluators_held_total", "Times a partition had to wait for a newer evaluator: its schema is newer."
)
EVALUATORS_RULES_REFUSED: Final = Counter(
    "threadline_evaluators_rules_refused_total", "States of rules that could not be applied."
)

# kafka
KAFKA_LAG_RECORDS: Final = Gauge(
    "threadline_kafka_lag_records",
    "Records between a group's committed offset and the end of the log. One sink says it for all groups.",
    ["group", "topic", "partition"],
)
KAFKA_LAG_SECONDS: Final = Gauge(
    "threadline_kafka_lag_seconds",
    "Age of the oldest record that the group has not committed, by its append time; 0 if it came since the last look.",
    ["group", "topic", "partition"],
)
KAFKA_HEADROOM_SECONDS: Final = Gauge(
    "threadline_kafka_retention_headroom_seconds",
    "Time until retention takes the oldest record that the group has not committed; of the worst partition.",
    ["group", "topic"],
)
KAFKA_LOOKED_AT: Final = Gauge(
    "threadline_kafka_lag_looked_at_seconds", "When the lags were looked at, as seconds since 1970 UTC."
)
KAFKA_RULES_UNDECODABLE: Final = Counter(
    "threadline_kafka_rules_undecodable_total", "Records of the topic rules that are not what their schema says."
)

# sinks
SINKS_RECORDS: Final = Counter("threadline_sinks_records_total", "Records consumed, by topic.", ["topic"])
SINKS_ROWS_WRITTEN: Final = Counter("threadline_sinks_rows_written_total", "Rows stored, by table.", ["table"])
SINKS_CONTROLS: Final = Counter("threadline_sinks_controls_total", "Controls of the log, kept as such.")
SINKS_FLUSHES: Final = Counter("threadline_sinks_flushes_total", "Inserts, by table and outcome.", ["table", "outcome"])
SINKS_FLUSH_SECONDS: Final = Histogram(
    "threadline_sinks_flush_seconds", "Length of an insert, by table.", ["table"], buckets=_LATENCY
)
SINKS_FOLD_SECONDS: Final = Histogram(
    "threadline_sinks_fold_seconds", "Length of folding what an insert touched, by table.", ["table"], buckets=_LATENCY
)
SINKS_BATCH_ROWS: Final = Histogram(
    "threadline_sinks_batch_rows", "Rows in one insert, by table.", ["table"], buckets=_SIZES
)
SINKS_DEAD_LETTERS: Final = Counter(
    "threadline_sinks_dead_letters_total", "Records set aside in dead-letters, by reason.", ["reason"]
)
SINKS_REPLAYS: Final = Counter(
    "threadline_sinks_replays_total", "Dead letters that came again by `threadline dlq replay`, by topic.", ["topic"]
)
SINKS_STORAGE_ERRORS: Final = Counter(
    "threadline_sinks_storage_errors_total", "Errors of ClickHouse, by code and by what was done.", ["code", "reaction"]
)
SINKS_LATENCY_SECONDS: Final = Histogram(
    "threadline_sinks_latency_seconds", "From the broker's append to the stored row.", ["topic"], buckets=_DELAY
)
SINKS_BUFFERED_BYTES: Final = Gauge(
    "threadline_sinks_buffered_bytes", "Read and not yet stored; at the bound of the settings it reads no further."
)
SINKS_TABLE_PARTS: Final = Gauge(
    "threadline_sinks_table_parts",
    "Active parts in the fullest partition of a table: too many slow inserts down. One sink says it for all.",
    ["table"],
)
SINKS_BALANCE_RECORDS: Final = Gauge(
    "threadline_sinks_balance_records",
    "Reconciliation by topic and term; `gap` is what is unaccounted for. One sink says it for all.",
    ["topic", "term"],
)
SINKS_BALANCED_AT: Final = Gauge(
    "threadline_sinks_balanced_at_seconds", "When the balance was counted, as seconds since 1970 UTC."
)
SINKS_DROPPED_PARTITIONS: Final = Counter(
    "threadline_sinks_dropped_partitions_total", "Months of a table that were dropped whole, by retention."
)
SINKS_DELETED_ROWS: Final = Counter(
    "threadline_sinks_deleted_rows_total",
    "Rows deleted on purpose by the sink, by reason: past their retention, or come back after an erasure.",
    ["reason"],
)
SINKS_BROKER_RETRIES: Final = Counter(
    "threadline_sinks_broker_retries_total", "Times Kafka had to be asked again for records."
)
SINKS_HELD: Final = Counter(
    "threadline_sinks_held_total", "Times a partition had to wait for a newer sink: its schema is newer.", ["topic"]
)
SINKS_OFFSET_GAPS: Final = Counter(
    "threadline_sinks_offset_gap_records_total", "Records that retention took before they were read.", ["topic"]
)

# query
QUERY_REQUESTS: Final = Counter(
    "threadline_query_requests_total", "Reads answered, by route pattern and status.", ["route", "status"]
)
QUERY_SECONDS: Final = Histogram("threadline_query_seconds", "Length of a read, by route.", ["route"], buckets=_LATENCY)
