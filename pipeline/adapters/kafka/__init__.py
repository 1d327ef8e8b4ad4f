"""Kafka: the only place beside the Faust stage that knows the Kafka client."""
