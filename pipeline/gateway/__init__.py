"""Stage 1: from HTTP to Kafka.

Reads   requests of the Opik SDKs; thread-replies
Writes  traces, spans, scores; dead-letters
Keeps   a 2xx only after the broker has every event (acks=all); one bad item never fails its batch
Enter   gateway.Gateway
"""
