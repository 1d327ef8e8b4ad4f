-- Where months go that are past their retention. The whole month moves here at once, and no sink writes here, so that
-- nothing can come between the note of its places and its end. Reconciliation counts what is here as deleted on purpose.
--
-- Parts move between tables that are the same: a change of one of these tables is a change of its twin, too.

CREATE TABLE IF NOT EXISTS expiring_trace_events AS trace_events;

CREATE TABLE IF NOT EXISTS expiring_trace_fields AS trace_fields;

CREATE TABLE IF NOT EXISTS expiring_traces AS traces;

CREATE TABLE IF NOT EXISTS expiring_thread_traces AS thread_traces;

CREATE TABLE IF NOT EXISTS expiring_span_events AS span_events;

CREATE TABLE IF NOT EXISTS expiring_spans AS spans;

CREATE TABLE IF NOT EXISTS expiring_score_events AS score_events;
