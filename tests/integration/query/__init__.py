"""The query side on one ClickHouse; a package, so that it can end with its last test."""
