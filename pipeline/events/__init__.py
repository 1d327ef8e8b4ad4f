"""What flows through the log: immutable facts and commands, one definition each.

The value of a fact is one line of JSON that is already the row of its ClickHouse table (`JSONEachRow`), so that a sink
never decodes it. `schemas/events` holds the JSON Schemas generated from here: the contract for direct producers.
No I/O, no clock.
"""
