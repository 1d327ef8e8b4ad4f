"""The sinks with what they need; a package, so that the shared ClickHouse can end with its last test."""
