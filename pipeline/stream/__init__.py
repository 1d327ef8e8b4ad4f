"""Stage 2, `threadline worker`: reads the log of threads and says when a session begins and ends.

The core is pure: `lifecycle` (the rules), `partition` (what it knows of one partition), `thread_state`, `deadlines` and
`timeouts`. Around it a thin layer on Faust: `app`, `table`, `bulk`, `commit`, `ticks`, `outputs`, run by `worker`. Every
private part of Faust, mode and aiokafka that the layer touches is named in `faust_internals`.
"""
