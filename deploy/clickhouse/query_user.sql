-- A user for what people and SDKs read (THREADLINE_QUERY_CLICKHOUSE_USER and ..._PASSWORD): it can read our tables and
-- nothing else, and no query of it is without bounds, whatever asks. Put the name of your database and a password in, and
-- run it as a user that may manage access: clickhouse-client --queries-file query_user.sql
--
-- Each query brings its own limits (THREADLINE_QUERY_SECONDS_MAX, _MEMORY_BYTES_MAX, _ROWS_READ_MAX) and readonly=1; the
-- constraints here are the outermost they can be set to. `readonly` itself must not be set here: a user that has it
-- cannot send settings. All other processes go on as THREADLINE_CLICKHOUSE_USER.

CREATE USER IF NOT EXISTS threadline_query
    IDENTIFIED WITH sha256_password BY 'choose a password'
    SETTINGS
        max_execution_time = 30 MIN 1 MAX 120,
        max_memory_usage = 2147483648 MIN 1048576 MAX 8589934592,
        max_concurrent_queries_for_user = 100 MIN 1 MAX 1000;

GRANT SELECT ON threadline.* TO threadline_query;
-- What the client asks for when it connects.
GRANT SELECT ON system.settings TO threadline_query;
