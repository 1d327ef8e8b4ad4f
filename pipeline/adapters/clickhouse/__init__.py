"""ClickHouse over HTTP: the only place that knows its client library."""
