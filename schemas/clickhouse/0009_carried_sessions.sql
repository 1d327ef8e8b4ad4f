-- A session that was open when its log was lost goes on in the next log (`threadline reseed`): it keeps the log and the
-- first offset with which it began, and its last activity may stand in another log than that.

ALTER TABLE thread_events ADD COLUMN IF NOT EXISTS last_log_id UUID DEFAULT session_log_id COMMENT 'the log of last_offset'
    AFTER last_offset;
ALTER TABLE thread_events COMMENT COLUMN first_offset 'offset of the first record of the session, in session_log_id';
