"""Stand-ins for one machine: broker, ClickHouse and conversations to play with."""
