"""ClickHouse -> HTTP: everything that is read. It writes nothing and knows nothing of Kafka."""
