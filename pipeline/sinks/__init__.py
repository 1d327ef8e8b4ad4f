"""Stage 4: from Kafka to ClickHouse.

Reads   traces, spans, scores, annotations, threads, dead-letters
Writes  the tables of events and the folded tables traces and spans; dead-letters
Keeps   at least once, and rows that collapse by provenance: offsets are committed after insert and fold
Enter   loop.run
"""
