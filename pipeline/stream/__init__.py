"""Stage 2, `threadline worker`: reads the log of threads and says when a session begins and ends.

The core is pure: `lifecycle` (the rules) with `sessions` and `decisions`, over `partition` (what is known of one
partition), `thread_state`, `deadlines` and `timeouts`. Around it a thin layer on Faust, run by `worker`: `app` puts it
together, `bulk` reads, `agent` applies, `outputs` encodes, `commit` makes durable, `table` recovers, `ticks` writes the
time. Every private part of Faust, mode and aiokafka that the layer touches is named in `faust_internals`.
"""
